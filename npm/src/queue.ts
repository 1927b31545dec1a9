/** What applications see of the mutations that survive being offline. */
import type { FetchResponse } from './platform.ts'

/** A mutation that was kept. */
export interface Mutation {
  /** Its idempotency key. */
  readonly key: string
  /** The user who made it; `null` for an anonymous one. */
  readonly userId: string | null
  /** When it was made, in milliseconds since 1970 by this device's clock. */
  readonly madeAt: number
  /** The absolute URL to which it is sent. */
  readonly url: string
  /** The method, usually `POST`. */
  readonly method: string
}

/** Why a mutation will not be sent again: the server refused it (a 4xx), or it is older than `maxAgeMs`. */
export type Rejection = { readonly reason: 'refused'; readonly response: FetchResponse } | { readonly reason: 'expired' }

/** Options of `queueOffline`. */
export interface OfflineOptions {
  /**
   * The name of the storage, which all tabs share. Clients of different servers need a name each. Defaults to
   * `tidings-offline`.
   */
  name?: string | undefined
  /**
   * The user who makes mutations now: an id as the server's `/check` returns it, `null` for an anonymous user,
   * `undefined` while it is unknown. Defaults to the user whom the server named last in this page; so an app that
   * starts offline has to set it.
   */
  user?: (() => string | null | undefined | Promise<string | null | undefined>) | undefined
  /**
   * The age in milliseconds above which mutations are rejected instead of sent. Defaults to a day, the time for which
   * servers usually keep keys.
   */
  maxAgeMs?: number | undefined
  /** The time in milliseconds after which an attempt without an answer has failed. Defaults to 30,000. */
  timeoutMs?: number | undefined
  /** Called in the tab that sent a kept mutation, with the server's answer. */
  onFlush?: ((mutation: Mutation, response: FetchResponse) => void) | undefined
  /** Called when a kept mutation will never be sent again, in the tab that found out. */
  onReject?: ((mutation: Mutation, rejection: Rejection) => void) | undefined
}

/** The mutations that wait to be sent. */
export interface OfflineQueue {
  /** The mutations of all users of this browser, oldest first. */
  pending(): Promise<Mutation[]>
  /**
   * Tries to send them now. The queue also tries by itself when the device is back online, at every connection, and
   * again after a failure.
   */
  flush(): Promise<void>
  /** Removes the mutation with this key. */
  discard(key: string): Promise<void>
  /** Ends sending from this page; mutations that wait stay stored. */
  stop(): void
}
