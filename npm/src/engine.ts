/**
 * The only file that touches Wasm: loads it on first use, and says why where it cannot.
 *
 * One Wasm instance serves all clients of a page. Where the bytes are at hand it is compiled synchronously, so that the
 * very first call already has its answer; where that is refused or the bytes are elsewhere, asynchronously.
 */
import init, { initSync } from '../../client-wasm/pkg/tidings_client.js'
import { TidingsError } from './errors.ts'
import { unpack } from './packed.js'
import type { WasmSource } from './types.ts'

export { Client as Engine } from '../../client-wasm/pkg/tidings_client.js'
export type { ClientOptions as EngineOptions, ErrorReport } from '../../client-wasm/pkg/tidings_client.js'

/** The Wasm, packed, put here by the build; empty in `tidings/slim`. */
declare const WASM: string

let loaded = false
/** Compiling at once was refused; asking again would only be refused, and reported to the page's owner, again. */
let refused = false

/** Whether the engine is there when this returns: only from bytes or a module, and only where the browser allows it. */
export function loadNow(given: unknown): boolean {
  if (loaded || refused || typeof WebAssembly !== 'object') return loaded
  const source = given ?? inlined()
  if (source instanceof WebAssembly.Module || source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    try {
      initSync({ module: source as BufferSource | WebAssembly.Module })
      loaded = true
    } catch {
      refused = true
      // Older Chromium compiles more than 4 KB only asynchronously, and a CSP refuses that as well: `load` tells them apart.
    }
  }
  return loaded
}

/** Resolves when the engine is there. Rejects with a {@link TidingsError}: `wasmBlocked` or `wasmFailed`. */
export async function load(given: WasmSource | Promise<WasmSource> | undefined): Promise<void> {
  if (loaded) return
  const source = given ?? inlined()
  if (typeof WebAssembly !== 'object') throw new TidingsError('wasmBlocked', { detail: 'this browser has WebAssembly switched off' })
  if (source === undefined) throw new TidingsError('wasmFailed', { detail: 'tidings/slim needs the option `wasm`' })
  try {
    await init({ module_or_path: source })
    loaded = true
  } catch (cause) {
    // No browser gives this error a name of its own; these words stand in Chromium's, Firefox's and Safari's.
    const blocked = /content security policy|\bcsp\b|unsafe-eval/i.test(String(cause))
    throw blocked
      ? new TidingsError('wasmBlocked', { detail: "the page's Content-Security-Policy lacks 'wasm-unsafe-eval'", cause })
      : new TidingsError('wasmFailed', { detail: `the Wasm could not be loaded: ${String(cause)}`, cause })
  }
}

function inlined(): Uint8Array<ArrayBuffer> | undefined {
  return WASM ? unpack(WASM) : undefined
}
