import { type DBSchema, type IDBPDatabase, openDB } from 'idb'

/** A request as the browser's storage keeps it until the server has answered it. */
export interface Stored {
  /** Its place in the order: lower ids are older, in whichever tab they were made. */
  readonly id: number
  /** The idempotency key, sent with every attempt, so that the server recognises a repetition. */
  readonly key: string
  /** The user who made it; `null` for an anonymous one. */
  readonly userId: string | null
  /** When it was made, in milliseconds since 1970 by this device's clock. */
  readonly madeAt: number
  readonly url: string
  readonly method: string
  readonly headers: [string, string][]
  readonly body: ArrayBuffer
  readonly credentials: RequestCredentials
  /** Whether it carried a token. The token is not stored: the request is sent with a fresh token of the same user. */
  readonly authorized: boolean
}

interface Schema extends DBSchema {
  mutations: { key: number; value: Stored }
}

/** The mutations of all users and tabs of this browser profile, in the order in which they were made. */
export class Mutations {
  readonly #name: string
  #opened: Promise<IDBPDatabase<Schema>> | undefined

  constructor(name: string) {
    this.#name = name
  }

  async add(mutation: Omit<Stored, 'id'>): Promise<number> {
    // The database assigns the id.
    return (await this.#open()).add('mutations', mutation as Stored)
  }

  async all(): Promise<Stored[]> {
    return (await this.#open()).getAll('mutations')
  }

  async has(id: number): Promise<boolean> {
    return (await (await this.#open()).getKey('mutations', id)) !== undefined
  }

  async delete(id: number): Promise<void> {
    await (await this.#open()).delete('mutations', id)
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    ;(await opened)?.close()
  }

  #open(): Promise<IDBPDatabase<Schema>> {
    return (this.#opened ??= openDB<Schema>(this.#name, 1, {
      upgrade: (database) => void database.createObjectStore('mutations', { keyPath: 'id', autoIncrement: true }),
      // A page of a newer version waits until this one closes the database; and a browser may close it by itself.
      blocking: () => void this.close(),
      terminated: () => (this.#opened = undefined),
    }).catch((error: unknown) => {
      this.#opened = undefined
      throw error
    }))
  }
}
