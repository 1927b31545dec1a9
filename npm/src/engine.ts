/**
 * Everything behind the facade, and the only file that touches Wasm. It is a chunk of its own, loaded by the first handler or
 * `connect()`.
 *
 * The Wasm is compiled once for a page, and aside. Each client has an instance of its own, so that one in which something was thrown
 * can be given up without a word to the others.
 */
import { bind } from '../../client-wasm/pkg/tidings_client.js'
import type { Client, ClientOptions } from '../../client-wasm/pkg/tidings_client.js'
import { isAfter } from './cursors.ts'
import { Guard } from './guard.ts'
import { roster } from './presence.ts'
import { unpack } from './unpack.js'

export { earliest } from './cursors.ts'
export type { ClientOptions as EngineOptions, ErrorReport } from '../../client-wasm/pkg/tidings_client.js'

declare module '../../client-wasm/pkg/tidings_client.js' {
  /** What the build makes of the module that wasm-bindgen writes (`glue.mjs`): all of it, for one instance. */
  export function bind(guard: Guard): {
    Client: new (options: ClientOptions) => Client
    imports: WebAssembly.Imports
    start(instance: WebAssembly.Instance): void
  }
}

/** The Wasm, packed, and what unpacks it, put here by the build. */
declare const WASM: string
declare const UNPACKER: string

/** The engine of one client. */
export interface Engine {
  readonly client: Client
  readonly guard: Guard
  /** Keeps the list of who is online for one handler. */
  readonly roster: typeof roster
  readonly isAfter: typeof isAfter
}

let compiling: Promise<WebAssembly.Module> | undefined

/** Resolves when the Wasm is compiled. Rejects with an `Error` whose `code` is `wasmBlocked` or `wasmFailed`. */
export function compile(): Promise<WebAssembly.Module> {
  return (compiling ??= compiled().catch((cause: unknown) => {
    compiling = undefined
    // No browser gives this error a name of its own; these words stand in Chromium's, Firefox's and Safari's.
    if ((cause as { code?: string }).code) throw cause
    const blocked = /content security policy|\bcsp\b|unsafe-eval/i.test(String(cause))
    throw blocked
      ? coded('wasmBlocked', "the page's Content-Security-Policy lacks 'wasm-unsafe-eval'", cause)
      : coded('wasmFailed', `the Wasm could not be compiled: ${String(cause)}`, cause)
  }))
}

async function compiled(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(unpack(UNPACKER, WASM))
}

/**
 * Makes an engine.
 *
 * @param onBroken - called once if the engine has to be given up, with what was thrown
 * @returns `undefined` if that happened here
 */
export async function start(options: ClientOptions, onBroken: (cause: unknown) => void): Promise<Engine | undefined> {
  const module = await compile()
  const guard = new Guard(onBroken)
  try {
    const { Client, imports, start } = bind(guard)
    start(await WebAssembly.instantiate(module, imports))
    // A browser compiles each function when it is called first: each of these is a task of its own, so that the page can go on between.
    await pause()
    const client = new Client(options)
    await pause()
    return { client, guard, roster, isAfter }
  } catch (cause) {
    if (guard.ended) return undefined
    guard.end()
    throw cause
  }
}

/** Lets other tasks of the page run. Not by a timer, which may wait for longer. */
const pause = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })

const coded = (code: string, message: string, cause?: unknown): Error => Object.assign(new Error(message), { code, cause })
