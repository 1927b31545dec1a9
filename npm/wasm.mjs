// Where wasm-pack left the Wasm client, for the build and for the tests.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The Wasm that wasm-pack built. */
export const wasmFile = join(import.meta.dirname, '../client-wasm/pkg/tidings_client_bg.wasm')

/** It as hex: 4 KB smaller than base64 once gzipped, because a byte always looks the same. */
export const wasmHex = () => readFileSync(wasmFile, 'hex')
