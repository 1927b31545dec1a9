/**
 * Everything behind the facade, and the only file that touches Wasm. It is a chunk of its own, loaded by the first
 * handler or `connect()`.
 *
 * The Wasm is compiled once for a page, asynchronously. Each client has its own instance, so that a broken one can be
 * abandoned without any effect on the others.
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
  /** The function that the build makes of wasm-bindgen's module (`glue.mjs`): the whole module, for one instance. */
  export function bind(guard: Guard): {
    Client: new (options: ClientOptions) => Client
    imports: WebAssembly.Imports
    start(instance: WebAssembly.Instance): void
  }
}

/** The packed Wasm and its unpacker, inserted by the build. */
declare const WASM: string
declare const UNPACKER: string

/** The engine of one client. */
export interface Engine {
  readonly client: Client
  readonly guard: Guard
  /** Keeps the list of the users who are online for one handler. */
  readonly roster: typeof roster
  readonly isAfter: typeof isAfter
}

let compiling: Promise<WebAssembly.Module> | undefined

/** Resolves when the Wasm is compiled. Rejects with an `Error` whose `code` is `wasmBlocked` or `wasmFailed`. */
export function compile(): Promise<WebAssembly.Module> {
  return (compiling ??= compiled().catch((cause: unknown) => {
    compiling = undefined
    // No browser has a name of its own for this error; the messages of Chromium, Firefox and Safari contain these
    // words.
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
 * @param onBroken - called once if the engine breaks, with what was thrown
 * @returns `undefined` if the engine broke in this call
 */
export async function start(options: ClientOptions, onBroken: (cause: unknown) => void): Promise<Engine | undefined> {
  const module = await compile()
  const guard = new Guard(onBroken)
  try {
    const { Client, imports, start } = bind(guard)
    start(await WebAssembly.instantiate(module, imports))
    // A browser compiles each function when it is first called. Each of these calls is a task of its own, so that the
    // page can continue in between.
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

/** Lets other tasks of the page run. Not with a timer, because a timer may wait longer. */
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
