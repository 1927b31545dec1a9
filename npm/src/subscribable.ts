/**
 * A value that changes over time, and its listeners. The framework bindings use these two methods only (React's
 * `useSyncExternalStore` takes them as they are).
 */
export class Subscribable<S> {
  #listeners = new Set<() => void>()
  #snapshot: S

  /** @param snapshot - the value before any change */
  constructor(snapshot: S) {
    this.#snapshot = snapshot
  }

  /** The current value. The same object until it changes, so that `===` detects a change. */
  getSnapshot = (): S => this.#snapshot

  /**
   * Calls `listener` after every change.
   *
   * @returns a function that ends the calls; calling it again does nothing
   */
  subscribe = (listener: () => void): (() => void) => {
    // A wrapper for each call: two callers may pass the same function, and each may remove only its own.
    const own = (): void => listener()
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /**
   * Replaces the value and calls every listener; an error that a listener throws is reported and does not keep the
   * others from being called.
   */
  set(snapshot: S): void {
    this.#snapshot = snapshot
    for (const listener of [...this.#listeners]) {
      try {
        // A listener that an earlier one has just removed is not called.
        if (this.#listeners.has(listener)) listener()
      } catch (error) {
        report(error)
      }
    }
  }
}

/**
 * Reports an error of the application as uncaught, where the application's own tools find it, without unwinding our
 * caller.
 */
export function report(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
