import { type Engine, load, loadNow } from './engine.ts'
import type { TidingsError } from './errors.ts'
import { asError } from './failures.ts'
import type { TidingsOptions } from './types.ts'

/** A call for the engine; `fail` tells its caller that it will not come, for now. */
export interface Call {
  run(engine: Engine): void
  fail?(error: TidingsError): void
}

/** The engine of one client: made on first use, as soon as the Wasm is there, and called in the order of the calls. */
export class LazyEngine {
  readonly #source: TidingsOptions['wasm']
  readonly #make: () => Engine
  readonly #onFailure: (error: TidingsError) => void
  #engine: Engine | undefined
  #calls: Call[] = []
  #loading = false
  #failure: TidingsError | undefined

  constructor(source: TidingsOptions['wasm'], make: () => Engine, onFailure: (error: TidingsError) => void) {
    this.#source = source
    this.#make = make
    this.#onFailure = onFailure
  }

  /** The engine, if there is one. */
  get made(): Engine | undefined {
    return this.#engine
  }

  /** The engine, if there is one or it can be made without waiting. */
  now(): Engine | undefined {
    if (this.#engine || this.#loading || this.#failure || !loadNow(this.#source)) return this.#engine
    try {
      this.#engine = this.#make()
    } catch (cause) {
      const error = (this.#failure = asError(cause))
      // Not from inside the call that brought us here.
      queueMicrotask(() => this.#fail(error))
    }
    return this.#engine
  }

  /** Calls the engine: now, or as soon as it is there. */
  use(call: Call): void {
    this.#calls.push(call)
    if (this.now()) this.#flush()
    else if (this.#failure) call.fail?.(this.#failure)
    else void this.#load()
  }

  /** Takes back a call that may still wait. */
  drop(call: Call): void {
    this.#calls = this.#calls.filter((other) => other !== call)
  }

  /** After a failure, the next use tries anew. */
  retry(): void {
    this.#failure = undefined
  }

  async #load(): Promise<void> {
    if (this.#loading) return
    this.#loading = true
    try {
      await load(this.#source)
      this.#engine = this.#make()
    } catch (cause) {
      this.#failure = asError(cause)
    }
    this.#loading = false
    if (this.#failure) this.#fail(this.#failure)
    else this.#flush()
  }

  /** Those who wait are told, and keep their place for the next try. */
  #fail(error: TidingsError): void {
    for (const call of this.#calls) call.fail?.(error)
    this.#onFailure(error)
  }

  /** A call may lead to a callback that calls us again; then that one runs what came before it, and itself. */
  #flush(): void {
    for (let call; (call = this.#calls.shift()); ) call.run(this.#engine as Engine)
  }
}
