/** What an instance holds and has to release when it is given up: a stream and its timer, locks and their channel. */
interface Held {
  end(): void
}

type Fn = (...given: never[]) => unknown

/** The error thrown out of an instance that has been given up. The cause is reported to the client only once. */
export const GIVEN_UP = new Error('this instance has been given up')

/**
 * The boundary of one Wasm instance. Every import, every export and every closure passes through it.
 *
 * An error thrown across it, a panic included, leaves the instance in an unknown state: Rust does not unwind, so
 * borrowed values stay borrowed. Therefore no error is caught in order to continue. The instance is given up: the guard
 * releases what it held; from then on its imports throw, so that code still running in it ends, and its exports do
 * nothing.
 */
export class Guard {
  readonly #onBroken: (cause: unknown) => void
  readonly #held = new Set<Held>()
  #ended = false

  /** @param onBroken - called once, when no code of the instance is running any more, with what was thrown */
  constructor(onBroken: (cause: unknown) => void) {
    this.#onBroken = onBroken
  }

  /** Whether the instance has been given up or ended. */
  get ended(): boolean {
    return this.#ended
  }

  /** Gives the instance up, or ends it. */
  end(): void {
    this.#ended = true
    for (const held of this.#held) {
      try {
        held.end()
      } catch {
        // The others have to be released all the same.
      }
    }
    this.#held.clear()
  }

  /** The imports of the instance, guarded. */
  imports(modules: Record<string, object>): WebAssembly.Imports {
    return each(modules, (module) =>
      each(module as Record<string, Fn>, (run) => (...given: never[]) => {
        if (this.#ended) throw GIVEN_UP
        const value = run(...given) as Held | undefined
        if (typeof value?.end === 'function') this.#held.add(value)
        return value
      }),
    ) as WebAssembly.Imports
  }

  /** The exports of the instance, guarded. */
  exports(exported: WebAssembly.Exports): WebAssembly.Exports {
    return each(exported as Record<string, Fn>, (run) =>
      typeof run !== 'function'
        ? run
        : (...given: never[]) => {
            // The garbage collector also calls exports.
            if (this.#ended) return undefined
            try {
              return run(...given)
            } catch (cause) {
              this.#break(cause)
              throw GIVEN_UP
            }
          },
    ) as WebAssembly.Exports
  }

  /** Calls a closure for the browser, which cannot use what it throws. */
  call(run: (...given: unknown[]) => unknown, a: unknown, b: unknown, given: unknown[]): unknown {
    if (this.#ended) return undefined
    try {
      return run(a, b, ...given)
    } catch (cause) {
      return this.#break(cause)
    }
  }

  #break(cause: unknown): void {
    if (this.#ended) return
    this.end()
    queueMicrotask(() => this.#onBroken(cause))
  }
}

const each = <T, U>(object: Record<string, T>, change: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]))
