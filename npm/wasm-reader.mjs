/** Reads a Wasm (WebAssembly Core Specification, section 5) from its first section on. */
export class WasmReader {
  #bytes
  #text = new TextDecoder()
  /** The position, at first behind the magic number and the version. */
  at = 8

  constructor(/** @type {Uint8Array} */ bytes) {
    this.#bytes = bytes
  }

  byte() {
    return this.#bytes[this.at++]
  }

  /** Reads an unsigned LEB128 number. */
  number() {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = this.byte()
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }

  name() {
    const length = this.number()
    return this.#text.decode(this.#bytes.subarray(this.at, (this.at += length)))
  }

  /** Reads the limits of a memory or a table. */
  limits() {
    const flags = this.number()
    this.number()
    if (flags & 1) this.number()
  }
}
