// Bytes as text in a JavaScript file. JavaScript itself, because the build packs with it before TypeScript is compiled.
//
// A byte always looks the same, so that gzip and brotli find in the text what they find in the bytes. Hex has that too,
// but its every byte takes two characters: 8 % more once gzipped. Base64 spreads a byte over two: 30 % more.

/** Printable ASCII but for what a string literal or an inline script would have to escape. */
const ALPHABET = ' !#%&()*+,-./0123456789:;=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_abcdefghijklmnopqrstuvwxyz{|}~'
/** So many bytes are one character; the last two characters lift the next one by this, or by twice this. */
const ONE = ALPHABET.length - 2

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

/**
 * @param {string} text - what `pack` made
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function unpack(text) {
  const values = new Uint8Array(128)
  for (let value = 0; value < ALPHABET.length; value++) values[ALPHABET.charCodeAt(value)] = value
  // No more bytes than characters, so there is room where those are.
  const bytes = new TextEncoder().encode(text)
  let length = 0
  let lift = 0
  for (let i = 0; i < bytes.length; i++) {
    const value = values[bytes[i]]
    if (value < ONE) {
      bytes[length++] = lift + value
      lift = 0
    } else {
      lift = (value - ONE + 1) * ONE
    }
  }
  return bytes.subarray(0, length)
}
