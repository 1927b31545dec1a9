/**
 * A value that changes over time, and those who want to hear of it. Framework bindings stand on these two methods alone
 * (React's `useSyncExternalStore` takes them as they are).
 */
export class Subscribable<S> {
  #listeners = new Set<() => void>()
  #snapshot: S

  /** @param snapshot - what the value is before anything happened */
  constructor(snapshot: S) {
    this.#snapshot = snapshot
  }

  /** The value now. The same object until it changes, so that `===` tells whether it did. */
  getSnapshot = (): S => this.#snapshot

  /**
   * Calls `listener` after every change.
   *
   * @returns a function that ends it; calling it again does nothing
   */
  subscribe = (listener: () => void): (() => void) => {
    // A listener of its own for each call: two callers may pass the same function, and each may end only its own.
    const own = (): void => listener()
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /** Replaces the value and tells everyone; a listener that throws is reported and keeps nobody else from hearing. */
  set(snapshot: S): void {
    this.#snapshot = snapshot
    for (const listener of [...this.#listeners]) {
      try {
        // One that an earlier listener just ended hears no more.
        if (this.#listeners.has(listener)) listener()
      } catch (error) {
        report(error)
      }
    }
  }
}

/** Reports an error of the application's as uncaught, where its own tools look for such, without unwinding our caller. */
export function report(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
