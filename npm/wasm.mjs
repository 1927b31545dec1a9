// The paths of wasm-pack's results, for the build and for the tests.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pack } from './src/packed.js'
import { split } from './src/streams.js'
import { unpack } from './src/unpack.js'
import { unpacker } from './unpacker.mjs'

const pkg = join(import.meta.dirname, '../client-wasm/pkg')
/** The Wasm that wasm-pack built. */
export const wasmFile = join(pkg, 'tidings_client_bg.wasm')
/** The module that loads it. */
export const glueFile = join(pkg, 'tidings_client.js')

/** A Wasm as the text that the package contains. */
export function packed(/** @type {Uint8Array} */ wasm) {
  const unknown = (cause) => new Error('the Wasm has an instruction that the unpacker does not know', { cause })
  let text
  try {
    text = pack(split(wasm))
  } catch (cause) {
    throw unknown(cause)
  }
  if (Buffer.compare(unpack(unpacker(), text), wasm) !== 0) throw unknown()
  return text
}

/** The Wasm that wasm-pack built, as such a text. */
export const packedWasm = () => packed(readFileSync(wasmFile))
