// Bytes as text in a JavaScript file, for the build; the browser unpacks them (`unpacker.mjs`).
//
// A byte always looks the same, so that gzip and brotli find in the text what they find in the bytes. Hex has that too,
// but its every byte takes two characters: 8 % more once gzipped. Base64 spreads a byte over two: 30 % more.

/** Printable ASCII but for what a string literal or an inline script would have to escape. */
const ALPHABET = ' !#%&()*+,-./0123456789:;=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~'
/** So many bytes are one character; the last two characters lift the next one by this, or by twice this. */
export const ONE = ALPHABET.length - 2
/** The code of the first, and those that it lacks between it and the last. */
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
