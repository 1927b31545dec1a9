/** What has to be given back when an instance is given up: a stream and its timer, locks and their channel. */
interface Held {
  end(): void
}

type Fn = (...given: never[]) => unknown

/** What is thrown out of an instance that is given up, for whoever called it: the cause is told once, to the client. */
export const GIVEN_UP = new Error('this instance has been given up')

/**
 * The boundary of one Wasm instance. Every import, every export and every closure passes here.
 *
 * What is thrown across it, a panic too, leaves the instance in a state that nobody knows: in Rust nothing is unwound, so what was
 * borrowed stays borrowed. Therefore nothing is caught in order to go on. The instance is given up: what it held is given back, and
 * from then on its imports throw, so that what is still running in it comes to an end, and its exports do nothing.
 */
export class Guard {
  readonly #onBroken: (cause: unknown) => void
  readonly #held = new Set<Held>()
  #ended = false

  /** @param onBroken - called once, when nothing of the instance is running any more, with what was thrown */
  constructor(onBroken: (cause: unknown) => void) {
    this.#onBroken = onBroken
  }

  /** Whether the instance is of no use any more. */
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
        // The others have to be given back all the same.
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
            // The garbage collector calls, too.
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

  /** Calls a closure, for the browser, which has no use for what is thrown. */
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
