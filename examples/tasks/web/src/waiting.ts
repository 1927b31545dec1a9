import type { OfflineQueue } from 'tidings/offline'

const STORED = 'tasks.waiting'

/** Descriptions of the mutations that have not been sent yet, by key, kept across reloads. A store for React. */
class Waiting {
  #texts: ReadonlyMap<string, string> = new Map(JSON.parse(localStorage.getItem(STORED) ?? '[]'))
  readonly #listeners = new Set<() => void>()

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  readonly all = (): ReadonlyMap<string, string> => this.#texts

  add(key: string, text: string): void {
    this.#set(new Map(this.#texts).set(key, text))
  }

  /** Removes a mutation, and returns its description. */
  remove(key: string): string | undefined {
    const text = this.#texts.get(key)
    this.#set(new Map([...this.#texts].filter(([other]) => other !== key)))
    return text
  }

  /** Drops the mutations that the queue does not contain (any more). */
  async follow(queue: OfflineQueue): Promise<void> {
    const pending = new Set((await queue.pending()).map(({ key }) => key))
    this.#set(new Map([...this.#texts].filter(([key]) => pending.has(key))))
  }

  #set(texts: ReadonlyMap<string, string>): void {
    this.#texts = texts
    localStorage.setItem(STORED, JSON.stringify([...texts]))
    for (const listener of this.#listeners) listener()
  }
}

export const waiting = new Waiting()
