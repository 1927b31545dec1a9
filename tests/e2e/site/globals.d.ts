import type { ConnectionState, Presence, Stop, Tidings, TidingsOptions } from 'tidings'

/** What the client reported to the page, in order. */
export interface Told {
  states: { state: ConnectionState; attempt: number; nextRetryMs: number | undefined }[]
  gaps: { channels: readonly string[] | null; reason: string }[]
  errors: { code: string; status: number | undefined; willRetry: boolean | undefined; channel: string | undefined }[]
  /** The channels that were revoked after they had been confirmed. */
  revoked: { channel: string; code: string }[]
  /** The payloads that each handler received. */
  heard: Record<string, unknown[]>
  /** The presence reports. */
  seen: Presence[]
}

/** Subscribes. Payloads go to `told.heard`, under the channel's name or `as`. */
export type Hear = (channel: string, options?: { as?: string; since?: string }) => Stop

declare global {
  /** Whether the page's module has run. */
  var ready: boolean | undefined
  var told: Told
  /** Asks the test for a token, if it provides one: see `fixtures.ts`. */
  var token: (() => Promise<string>) | undefined
  /** The page's client, after `start`. */
  var tidings: Tidings
  /** Makes the client. It reconnects quickly unless the options say otherwise. */
  function start(options?: TidingsOptions): void
  var hear: Hear
  /** Watches presence. Reports go to `told.seen`. */
  function see(channel: string): Stop
  /** The frames that arrived on the page's streams, whatever the client did with them: see `support/spy.ts`. */
  var received: { name: string; data: string }[]
  /** The streams that the page has opened, including closed ones. */
  var streams: { readonly readyState: number }[]
}
