import type { TidingsError, TidingsErrorCode } from './errors.ts'
import type { FetchInit } from './platform.ts'

/**
 * The state of the connection.
 *
 * - `idle`: nothing has asked for a connection yet, or the last handler left longer than `idleMs` ago
 * - `connecting`: an attempt is under way, or the engine is still loading
 * - `open`: the server has answered, and events arrive
 * - `waiting`: the last attempt failed, and the next one is planned
 * - `closed`: `disconnect()` was called, or the client has given up and makes no further attempt
 */
export type ConnectionState = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed'

/** Everything about the connection that a page may want to show. Immutable: each change makes a new object. */
export interface ConnectionSnapshot {
  /** The state of the connection. */
  readonly state: ConnectionState
  /** The number of failures in a row; 0 while the connection works. */
  readonly attempt: number
  /**
   * While `waiting`: the length of the whole wait, in milliseconds. Absent while the client finds out what went wrong.
   */
  readonly nextRetryMs?: number
  /** The last failure since the connection last opened; absent without one. */
  readonly lastError?: TidingsError
  /** The server's name for this stream, while `open`. */
  readonly connectionId?: string
}

/** The user, device and tab that caused an event, as its publisher named them. */
export interface EventOrigin {
  /** The user who caused the event. */
  readonly userId?: string
  /** The browser profile from which the event came. */
  readonly deviceId?: string
  /** The tab from which the event came. */
  readonly sessionId?: string
}

/** The tab or device of one user from which the publisher hides an event. */
export interface EventExclusion {
  /** The user whose streams are meant. */
  readonly userId: string
  /** The tab from which the event is hidden. */
  readonly sessionId?: string
  /** The device from which the event is hidden, with all its tabs. */
  readonly deviceId?: string
}

/** An event that the application published, as it arrived. */
export interface TidingsEvent<T = unknown, Type extends string = string> {
  /** The channel to which it was published, or a pattern such as `chat:*`. A label when `to` is present. */
  readonly channel: string
  /** The kind of change that the event reports. */
  readonly type: Type
  /** Present when the event was addressed to a user or a device instead of the channel's subscribers. */
  readonly to?: 'user' | 'device'
  /** The user, device and tab that caused the event. */
  readonly source?: EventOrigin
  /** The tab or device from which the event is hidden. */
  readonly except?: EventExclusion
  /** The event's position in the log: opaque, and valid as `since`. */
  readonly cursor: string
  /** When the server accepted the event: RFC 3339, UTC, milliseconds. */
  readonly timestamp: string
  /** The data that the application sent. */
  readonly payload: T
}

/**
 * Called with every event. Its return value is ignored, and an error that it throws is reported as uncaught and affects
 * no other handler.
 */
export type EventHandler<T = unknown> = (event: TidingsEvent<T>) => void

/**
 * Why events may have been missed.
 *
 * - `malformed`: the cursor could not be read
 * - `epoch`: the log was created anew
 * - `trimmed`: the log no longer holds the events after the cursor
 * - `diverged`: the log lost its end
 * - `refused`: the server had refused or revoked the channel, and grants it again
 * - `tooLarge`: an event was too long to be read (more than 16 MiB)
 * - `internal`: the client's engine had to be replaced (see the error `internal`), and it is unknown which events it
 *   had delivered
 */
export type GapReason = 'malformed' | 'epoch' | 'trimmed' | 'diverged' | 'refused' | 'tooLarge' | 'internal' | (string & {})

/**
 * Called when events may have been missed: refetch the data.
 *
 * @param channels - the channels on which events may be missing; `null` means all, with the events addressed to the
 * user
 * @param addressed - whether events addressed to this user or device may be missing as well, because a list of channels
 * cannot name them; always `true` where `channels` is `null`
 */
export type GapHandler = (channels: readonly string[] | null, reason: GapReason, addressed: boolean) => void

/**
 * The status of one subscription.
 *
 * - `paused`: its channel is `null`
 * - `pending`: the server has not answered yet
 * - `active`: the server has confirmed it, and no event is missed. It stays active over reconnects
 * - `failed`: the server has refused or revoked it, or the client gave up before it was confirmed; `error` says why. It
 *   becomes `active` when the server grants it later
 */
export type SubscriptionStatus = 'paused' | 'pending' | 'active' | 'failed'

/** The status of one subscription, and the error with which it failed. Every hook returns it. */
export interface SubscriptionState {
  /** The status of the subscription. */
  readonly status: SubscriptionStatus
  /** While `failed`: the reason. */
  readonly error: TidingsError | undefined
}

/** Options of {@link Tidings.on} and {@link Tidings.presence}. */
export interface ReadyOptions {
  /**
   * Called once, when `stop.ready` resolves: no event is missed from here on, so fetch the data that the events change
   * now. `ready` is rejected when the client gives up; `onReady` is called all the same if a later `connect()`
   * succeeds.
   */
  onReady?: (() => void) | undefined
  /**
   * Called whenever the subscription becomes `active` or `failed`; when `failed`, with the error. See {@link
   * SubscriptionStatus}.
   */
  onStatus?: ((status: 'active' | 'failed', error?: TidingsError) => void) | undefined
}

/** Options of {@link Tidings.subscribe}. */
export interface SubscribeOptions extends ReadyOptions {
  /**
   * A cursor: the handler first receives the events that the channel carried after it. Take the cursor from the server
   * (`hub.cursor()`) **before** loading the data that the events change, or from an event's `cursor`. Without it, the
   * handler receives events from now on.
   */
  since?: string | undefined
  /** Called when events of this channel may have been missed. */
  onGap?: GapHandler | undefined
  /**
   * Called when the server revokes the channel after it had confirmed it, with the server's code (`forbidden`). The
   * client requests the channel again with the next stream, with the next token, and at `connect()`; when the server
   * grants it again, `onGap` is called (`refused`).
   */
  onRevoked?: ((code: TidingsErrorCode) => void) | undefined
}

/** The method with which a handler was registered. */
export type Verb = 'subscribe' | 'on' | 'presence'

/** Ends what `subscribe`, `on` or `presence` began. A second call does nothing. */
export interface Stop {
  (): void
  /**
   * Resolves when the handler receives every event: for `subscribe`, when the server has confirmed the channel in the
   * stream; for `on`, when the connection is open; for `presence`, when the server has accepted the request and the
   * list is on its way. Rejects with a {@link TidingsError} if the server refuses the channel, if the client gives up,
   * or if the handler is stopped before. A rejection that nobody awaits is not reported as unhandled.
   */
  readonly ready: Promise<void>
}

/** A user who is online, with one device. */
export interface Member {
  /** The user. */
  readonly userId: string
  /** The device; `null` where the stream declared none. */
  readonly deviceId: string | null
}

/** The users who are online on a channel. */
export interface Presence {
  /** Every user who is online. */
  readonly here: readonly Member[]
  /** The users who came since the last call; at the first call, all of them. */
  readonly join: readonly Member[]
  /** The users who left since the last call. */
  readonly leave: readonly Member[]
  /** How many servers were asked who is online: those that share the log. */
  readonly asked: number
  /** How many of them have answered. While it is less than `asked`, more users may be online than `here` lists. */
  readonly answered: number
}

/** Called with every change of the users who are online, and when a server stops answering or answers again. */
export type PresenceHandler = (presence: Presence) => void

/** How failed connections are retried: after a random wait below `baseMs · 2^attempt`, of at most `capMs`. */
export interface ReconnectOptions {
  /** The upper limit of the first, random wait, in milliseconds. Defaults to 1,000. */
  baseMs?: number | undefined
  /** The upper limit of every wait, in milliseconds. Defaults to 30,000. */
  capMs?: number | undefined
  /** The number of failures in a row after which the client gives up. Defaults to `Infinity`. */
  maxAttempts?: number | undefined
}

/** A token, or the absence of one. */
export type MaybeToken = string | null | undefined

/** The options of the client. Their defaults, except that of `url`, are fit for production. */
export interface TidingsOptions {
  /** The URL at which the server's router is mounted, absolute or relative to the page. Defaults to `/api/events`. */
  url?: string | undefined
  /**
   * How failed connections are retried; `false` disables retries. Defaults to exponential back-off with full jitter,
   * without an end.
   */
  reconnect?: false | ReconnectOptions | undefined
  /** How long after the last handler left the connection is closed, in milliseconds. Defaults to never. */
  idleMs?: number | undefined
  /** A device id of your own, of at most 128 bytes. Defaults to a random one, kept in localStorage. */
  deviceId?: string | undefined
  /**
   * A cursor at which to begin, from the server's `hub.cursor()`. Without it, the client receives events from now on.
   */
  since?: string | undefined
  /**
   * Whether cookies are sent to the page's own origin only (`same-origin`, the default), or to the server's as well
   * (`include`).
   */
  credentials?: 'same-origin' | 'include' | undefined
  /**
   * How the stream is read. `fetch` decodes it in Wasm, which takes a fraction of the browser's time, and shows the
   * server's answer to a refused request; `eventsource` leaves decoding to the browser, whose developer tools list each
   * event. Both deliver the same events. Defaults to `auto`: `fetch` where a browser can read a body before it ends,
   * else `eventsource`. On a server, which has no `EventSource`, `auto` does not connect.
   */
  transport?: 'auto' | 'fetch' | 'eventsource' | undefined
  /**
   * For users whom the server does not know by cookies: returns the token (usually a JWT) that identifies the user. The
   * client calls it before each stream, once more when the server refuses the token, and before the token expires; so
   * it should return a fresh token if there is one. Without a token (`undefined`, `null`, `''`) the client is
   * anonymous. The token travels in headers only.
   */
  token?: (() => MaybeToken | Promise<MaybeToken>) | undefined
  /**
   * Shares one stream between all tabs of this browser that have the same URL, credentials mode, device and user.
   * Defaults to `true` where the browser has Web Locks and BroadcastChannel (on secure pages); with `false`, each tab
   * opens its own stream.
   */
  shareConnection?: boolean | undefined
  /**
   * Reports to the server how long events took from their acceptance to this tab's handlers: up to 100 of them, drawn
   * at random, in one request every 2.5 heartbeats (38 s), and once when the page is left. `{ sample }` reports for
   * this share of all streams only, from 0 to 1. The server must accept the reports (`Routes::latency`). Defaults to
   * `false`.
   */
  reportLatency?: boolean | { sample: number } | undefined
  /** Called after every change, also within a state, for example when the length of a wait is known. */
  onState?: ((state: ConnectionState, snapshot: ConnectionSnapshot) => void) | undefined
  /** Called when events may have been missed: refetch the data. */
  onGap?: GapHandler | undefined
  /** Called with every failure, also with those that the client retries (`willRetry`). */
  onError?: ((error: TidingsError) => void) | undefined
  /** Logs each step in readable lines to the console. Defaults to `false`. */
  debug?: boolean | undefined
}

/** The headers that name the device and tab from which a request comes. */
// Not an interface: others could add to it, so it would not be assignable to `HeadersInit`.
export type IdentityHeaders = {
  /** The browser profile. */
  'X-Device-Id': string
  /** The tab. */
  'X-Session-Id': string
}

/** The options of {@link Tidings.fetch}: those of `fetch`, and two more. */
export interface TidingsRequestInit extends FetchInit {
  /**
   * Whether the request names the device and tab from which it comes. Defaults to `true` for the page's own origin and
   * `false` for every other one, whose CORS would have to allow the headers, and which may have no right to know.
   */
  identify?: boolean | undefined
  /**
   * `queue`: a mutation that cannot be sent now is kept and sent later, also after a reload; the call returns an answer
   * with status 202 at once. Needs `queueOffline` of `tidings/offline`. `GET` and `HEAD` change nothing and are never
   * kept.
   */
  offline?: 'queue' | undefined
}
