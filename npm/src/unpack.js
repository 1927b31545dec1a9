// Decodes the text of a JavaScript file into bytes in a browser, with a small Wasm (`unpacker.mjs`).

/** The address at which the unpacker expects the text (`unpacker.mjs`). */
const TEXT = 8192
const PAGE = 65_536

/**
 * @param {string} unpacker - a Wasm, in base64
 * @param {string} text - bytes that the build has split and packed
 * @returns {Uint8Array<ArrayBuffer>} those bytes
 */
export function unpack(unpacker, text) {
  // The Wasm is small enough for synchronous compilation in every browser.
  const module = new WebAssembly.Module(Uint8Array.from(atob(unpacker), (char) => char.charCodeAt(0)))
  const { memory, run, end } = /** @type {any} */ (new WebAssembly.Instance(module).exports)
  // Every character of the text is a byte.
  memory.grow(Math.ceil((TEXT + text.length) / PAGE))
  new TextEncoder().encodeInto(text, new Uint8Array(memory.buffer, TEXT))
  const begin = run(text.length)
  return new Uint8Array(memory.buffer, begin, end.value - begin)
}
