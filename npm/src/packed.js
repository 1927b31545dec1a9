// Bytes as text in a JavaScript file, for the build; the browser unpacks them (`unpacker.mjs`).
//
// A byte always has the same text, so that gzip and brotli find the same repetitions in the text as in the bytes. Hex
// has that property as well, but takes two characters for every byte: 8 % more once gzipped. Base64 spreads a byte over
// two characters: 30 % more.

/** The printable ASCII characters that a string literal and an inline script need not escape. */
const ALPHABET = ' !#%&()*+,-./0123456789:;=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~'
/**
 * The number of bytes that take one character; the last two characters raise the next one by this number, or by twice
 * this number.
 */
export const ONE = ALPHABET.length - 2
/** The code of the first character, and the codes between it and the last one that the alphabet lacks. */
export const FIRST = ALPHABET.charCodeAt(0)
export const EXCLUDED = Array.from({ length: 127 - FIRST }, (_, i) => FIRST + i).filter((code) => !ALPHABET.includes(String.fromCharCode(code)))

/**
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function pack(bytes) {
  let text = ''
  for (const byte of bytes) {
    const lift = Math.floor(byte / ONE)
    if (lift > 0) text += ALPHABET[ONE + lift - 1]
    text += ALPHABET[byte % ONE]
  }
  return text
}
