// Where wasm-pack left the Wasm client, for the build and for the tests.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pack } from './src/packed.js'
import { split } from './src/streams.js'

const pkg = join(import.meta.dirname, '../client-wasm/pkg')
/** The Wasm that wasm-pack built. */
export const wasmFile = join(pkg, 'tidings_client_bg.wasm')
/** The module that loads it. */
export const glueFile = join(pkg, 'tidings_client.js')

/** It as the text that goes into the package. */
export const packedWasm = () => pack(split(readFileSync(wasmFile)))
