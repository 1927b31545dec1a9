/**
 * The only file that touches Wasm: loads it on first use, and says why where it cannot.
 *
 * One Wasm instance serves all clients of a page. Where the bytes are at hand it is compiled synchronously, so that the
 * very first call already has its answer; where that is refused or the bytes are elsewhere, asynchronously.
 */
import { imports, start } from '../../client-wasm/pkg/tidings_client.js'
import { failure } from './failures.ts'
import { unpack } from './packed.js'
import { join } from './streams.js'
import type { WasmSource } from './types.ts'

export { Client as Engine } from '../../client-wasm/pkg/tidings_client.js'
export type { ClientOptions as EngineOptions, ErrorReport } from '../../client-wasm/pkg/tidings_client.js'

declare module '../../client-wasm/pkg/tidings_client.js' {
  // What the build makes of its loader (`glue.mjs`).
  /** What the Wasm takes from outside. */
  export function imports(): WebAssembly.Imports
  /** Makes an instance the engine, unless there is one. */
  export function start(instance: WebAssembly.Instance): void
}

/** The Wasm, packed, put here by the build; empty in `tidings/slim`. */
declare const WASM: string

let loaded = false
/** Under way, for all who ask meanwhile: a response can be read only once. */
let loading: Promise<void> | undefined
/** Compiling at once was refused; asking again would only be refused, and reported to the page's owner, again. */
let refused = false

/** Whether the engine is there when this returns: only from bytes or a module, and only where the browser allows it. */
export function loadNow(given: unknown): boolean {
  if (loaded || refused || typeof WebAssembly !== 'object') return loaded
  const source = given ?? inlined()
  if (source instanceof WebAssembly.Module || source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    try {
      const module = source instanceof WebAssembly.Module ? source : new WebAssembly.Module(source as BufferSource)
      start(new WebAssembly.Instance(module, imports()))
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
  if (typeof WebAssembly !== 'object') throw failure('wasmBlocked', { detail: 'this browser has WebAssembly switched off' })
  if (source === undefined) throw failure('wasmFailed', { detail: 'tidings/slim needs the option `wasm`' })
  try {
    await (loading ??= Promise.resolve(source).then(instantiate).then(start))
    loaded = true
  } catch (cause) {
    loading = undefined
    // No browser gives this error a name of its own; these words stand in Chromium's, Firefox's and Safari's.
    const blocked = /content security policy|\bcsp\b|unsafe-eval/i.test(String(cause))
    throw blocked
      ? failure('wasmBlocked', { detail: "the page's Content-Security-Policy lacks 'wasm-unsafe-eval'", cause })
      : failure('wasmFailed', { detail: `the Wasm could not be loaded: ${String(cause)}`, cause })
  }
}

async function instantiate(source: WasmSource): Promise<WebAssembly.Instance> {
  if (typeof source === 'string' || source instanceof URL || source instanceof Request) return instantiate(await fetch(source))
  if (!(source instanceof Response)) {
    const made: WebAssembly.Instance | WebAssembly.WebAssemblyInstantiatedSource = await WebAssembly.instantiate(source as BufferSource, imports())
    return made instanceof WebAssembly.Instance ? made : made.instance
  }
  if (!source.ok) throw new Error(`status ${source.status} of ${source.url}`)
  // Compiled while it streams, where its server says what it is.
  if (source.headers.get('content-type') !== 'application/wasm') return instantiate(await source.arrayBuffer())
  return (await WebAssembly.instantiateStreaming(source, imports())).instance
}

function inlined(): Uint8Array<ArrayBuffer> | undefined {
  return WASM ? join(unpack(WASM)) : undefined
}
