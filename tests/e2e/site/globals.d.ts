import type { ConnectionState, Presence, Stop, Tidings, TidingsOptions } from 'tidings'

/** What the client told the page, in order. */
export interface Told {
  states: { state: ConnectionState; attempt: number; nextRetryMs: number | undefined }[]
  gaps: { channels: readonly string[] | null; reason: string }[]
  errors: { code: string; status: number | undefined; willRetry: boolean | undefined; channel: string | undefined }[]
  /** What was taken away after it had been confirmed. */
  revoked: { channel: string; code: string }[]
  /** The payloads that each handler heard. */
  heard: Record<string, unknown[]>
  /** Who was online, as it was told. */
  seen: Presence[]
}

/** Subscribes; what is heard goes to `told.heard`, under the channel's name or `as`. */
export type Hear = (channel: string, options?: { as?: string; since?: string }) => Stop

declare global {
  /** The page's module has run. */
  var ready: boolean | undefined
  var told: Told
  /** Asks the test for a token, where it gives some: see `fixtures.ts`. */
  var token: (() => Promise<string>) | undefined
  /** The page's client, after `start`. */
  var tidings: Tidings
  /** Makes the client: quick to reconnect unless the options say otherwise. */
  function start(options?: TidingsOptions): void
  var hear: Hear
  /** Watches who is online; what is told goes to `told.seen`. */
  function see(channel: string): Stop
  /** What came through the page's streams, whatever the client made of it: see `support/spy.ts`. */
  var received: { name: string; data: string }[]
  /** The streams that the page has opened, the closed ones included. */
  var streams: { readonly readyState: number }[]
}
