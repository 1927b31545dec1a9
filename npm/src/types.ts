import type { TidingsError, TidingsErrorCode } from './errors.ts'
import type { FetchInit } from './platform.ts'

/**
 * Where the connection stands.
 *
 * - `idle`: nothing asked for it yet, or the last handler left longer than `idleMs` ago
 * - `connecting`: an attempt is under way, or the engine is still loading
 * - `open`: the server has answered; events flow
 * - `waiting`: the last attempt failed; the next one is planned
 * - `closed`: `disconnect()` was called, or there will be no further attempt
 */
export type ConnectionState = 'idle' | 'connecting' | 'open' | 'waiting' | 'closed'

/** Everything about the connection that a page may want to show. Immutable: each change makes a new one. */
export interface ConnectionSnapshot {
  /** Where the connection stands. */
  readonly state: ConnectionState
  /** Failures in a row; 0 while all is well. */
  readonly attempt: number
  /** While `waiting`: how long the whole wait is, in milliseconds. Absent while the client finds out what went wrong. */
  readonly nextRetryMs?: number
  /** The failure since the connection last opened, if there was one. */
  readonly lastError?: TidingsError
  /** The server's name for this stream, while `open`. */
  readonly connectionId?: string
}

/** Who caused an event, as its publisher told it. */
export interface EventOrigin {
  /** The user who caused it. */
  readonly userId?: string
  /** The browser profile that it came from. */
  readonly deviceId?: string
  /** The tab that it came from. */
  readonly sessionId?: string
}

/** From whom the publisher hides an event: one tab or one device of one user. */
export interface EventExclusion {
  /** The user whose streams are meant. */
  readonly userId: string
  /** Hidden from this tab. */
  readonly sessionId?: string
  /** Hidden from every tab of this device. */
  readonly deviceId?: string
}

/** What the application published, as it arrived. */
export interface TidingsEvent<T = unknown, Type extends string = string> {
  /** Where it was published: a channel, or a pattern such as `chat:*`. A label when `to` is there. */
  readonly channel: string
  /** What kind of change it tells of. */
  readonly type: Type
  /** Present when it was addressed to a user or a device instead of the channel's subscribers. */
  readonly to?: 'user' | 'device'
  /** What caused it. */
  readonly source?: EventOrigin
  /** From whom it is hidden. */
  readonly except?: EventExclusion
  /** Where it stands in the log: opaque, fit for `since`. */
  readonly cursor: string
  /** When the server accepted it: RFC 3339, UTC, milliseconds. */
  readonly timestamp: string
  /** What the application sent. */
  readonly payload: T
}

/** Called with every event. Whatever it returns is ignored; what it throws is reported as uncaught and harms nobody. */
export type EventHandler<T = unknown> = (event: TidingsEvent<T>) => void

/**
 * Why events may have been missed.
 *
 * - `malformed`: the cursor could not be read
 * - `epoch`: the log was made anew
 * - `trimmed`: the log no longer holds what comes after the cursor
 * - `diverged`: the log lost its tail
 * - `refused`: the server had refused the channel, or taken it away, and gives it again
 * - `tooLarge`: an event was too long to be read (more than 16 MiB)
 * - `internal`: the client's engine had to be made anew (see the error `internal`), and nobody knows what had been heard
 */
export type GapReason = 'malformed' | 'epoch' | 'trimmed' | 'diverged' | 'refused' | 'tooLarge' | 'internal' | (string & {})

/**
 * Called when events may have been missed: refetch.
 *
 * @param channels - on which channels; `null` on all, those addressed to the user included
 * @param addressed - whether among the events addressed to this user or device as well, which a list of channels cannot name; always
 * `true` where `channels` is `null`
 */
export type GapHandler = (channels: readonly string[] | null, reason: GapReason, addressed: boolean) => void

/**
 * Where one subscription stands.
 *
 * - `paused`: its channel is `null`
 * - `pending`: the server has not answered yet
 * - `active`: the server has confirmed it, and nothing is missed. It stays so over reconnects
 * - `failed`: the server refuses it or has taken it away, or the client has given up before it was confirmed; `error` says why. It becomes
 *   `active` where the server gives it later
 */
export type SubscriptionStatus = 'paused' | 'pending' | 'active' | 'failed'

/** Where one subscription stands, and why it failed. Every hook returns it. */
export interface SubscriptionState {
  /** Where it stands. */
  readonly status: SubscriptionStatus
  /** While `failed`: why. */
  readonly error: TidingsError | undefined
}

/** Options of {@link Tidings.on} and {@link Tidings.presence}. */
export interface ReadyOptions {
  /**
   * Called once, when `stop.ready` resolves: nothing is missed from here on, so fetch what the events change now. Unlike `ready`,
   * which is rejected when the client gives up, also if that is only after a `connect()`.
   */
  onReady?: (() => void) | undefined
  /** Called whenever it becomes `active` or `failed`, then with the error; see {@link SubscriptionStatus}. */
  onStatus?: ((status: 'active' | 'failed', error?: TidingsError) => void) | undefined
}

/** Options of {@link Tidings.subscribe}. */
export interface SubscribeOptions extends ReadyOptions {
  /**
   * A cursor: first hear what the channel carried after it. Take it from the server (`hub.cursor()`) **before** loading
   * the data that the events change, or from an event's `cursor`. Defaults to none: from now on.
   */
  since?: string | undefined
  /** Called when events of this channel may have been missed. */
  onGap?: GapHandler | undefined
  /**
   * Called when the server takes the channel away, after it had confirmed it, with the server's code (`forbidden`). It is asked for
   * again with the next stream, with the next token, and by `connect()`; where it is given again, `onGap` is called (`refused`).
   */
  onRevoked?: ((code: TidingsErrorCode) => void) | undefined
}

/** How somebody listens. */
export type Verb = 'subscribe' | 'on' | 'presence'

/** Ends what `subscribe`, `on` or `presence` began. A second call does nothing. */
export interface Stop {
  (): void
  /**
   * Resolves when the handler hears everything: for `subscribe`, when the server has confirmed the channel in the stream;
   * for `on`, when the connection is open; for `presence`, when it has accepted, and the list is on its way. Rejects with a {@link TidingsError} if the server refuses the channel, if
   * the client gives up, or if it is stopped before. Nobody needs to look at it: a rejection that nobody observes raises nothing.
   */
  readonly ready: Promise<void>
}

/** Somebody who is online: a user, by one device. */
export interface Member {
  /** Who. */
  readonly userId: string
  /** By which device; `null` where the stream declared none. */
  readonly deviceId: string | null
}

/** Who is online on a channel. */
export interface Presence {
  /** Everyone who is there. */
  readonly here: readonly Member[]
  /** Who came since the last call; at the first one, everyone. */
  readonly join: readonly Member[]
  /** Who left since the last call. */
  readonly leave: readonly Member[]
}

/** Called with every change of who is online. */
export type PresenceHandler = (presence: Presence) => void

/** How failed connections are tried again: a random wait below `baseMs · 2^attempt`, at most `capMs`. */
export interface ReconnectOptions {
  /** The first wait is random below this, in milliseconds. Defaults to 1,000. */
  baseMs?: number | undefined
  /** No wait is longer than this, in milliseconds. Defaults to 30,000. */
  capMs?: number | undefined
  /** Give up after this many failures in a row. Defaults to `Infinity`. */
  maxAttempts?: number | undefined
}

/** A token, or none. */
export type MaybeToken = string | null | undefined

/** Options of the client. All but `url` have defaults fit for production. */
export interface TidingsOptions {
  /** Where the server's router is mounted, absolute or relative to the page. Defaults to `/api/events`. */
  url?: string | undefined
  /** How failed connections are tried again; `false`: not at all. Defaults to full-jitter exponential back-off for ever. */
  reconnect?: false | ReconnectOptions | undefined
  /** Close the connection this long after the last handler left, in milliseconds. Defaults to never. */
  idleMs?: number | undefined
  /** A device id of your own, at most 128 bytes. Defaults to a random one, kept in localStorage. */
  deviceId?: string | undefined
  /** A cursor from which to begin, from the server's `hub.cursor()`. Defaults to none: from now on. */
  since?: string | undefined
  /** Cookies: to the page's own origin only (`same-origin`, the default), or to the server's as well (`include`). */
  credentials?: 'same-origin' | 'include' | undefined
  /**
   * How the stream is read. `fetch` decodes it in Wasm, which takes a fraction of the browser's time, and shows the server's
   * answer where it refuses; `eventsource` leaves that to the browser, whose developer tools list each event. Everything else
   * is the same. Defaults to `auto`: `fetch` where a browser can read a body before it ends, else `eventsource`; so on a
   * server, where there is no `EventSource`, it does not connect.
   */
  transport?: 'auto' | 'fetch' | 'eventsource' | undefined
  /**
   * For users who are not known by cookies: gives the token by which the server knows them (a JWT, mostly). It is called
   * before each stream, once more when the server refuses what it gave, and before what it gave expires; so it should give a
   * fresh one, if there is one. No token (`undefined`, `null`, `''`): nobody in particular. The token travels in headers only.
   */
  token?: (() => MaybeToken | Promise<MaybeToken>) | undefined
  /**
   * One stream for all tabs of this browser that have the same URL, credentials mode, device and user. Defaults to `true`
   * where the browser can do it (it has Web Locks and BroadcastChannel, so on secure pages); `false`: one for each tab.
   */
  shareConnection?: boolean | undefined
  /**
   * Report to the server how long events took, from its acceptance to this tab's handlers: up to 100 of them, drawn from all that
   * came, in one request every 2.5 heartbeats (38 s), and one as the page goes away. `{ sample }`: by this share of all streams only, from 0 to 1.
   * The server must take them in (`Routes::latency`). Defaults to `false`.
   */
  reportLatency?: boolean | { sample: number } | undefined
  /** Called after every change, also within a state, such as when the length of a wait is known. */
  onState?: ((state: ConnectionState, snapshot: ConnectionSnapshot) => void) | undefined
  /** Called when events may have been missed: refetch. */
  onGap?: GapHandler | undefined
  /** Called with every failure, also those that are tried again (`willRetry`). */
  onError?: ((error: TidingsError) => void) | undefined
  /** Log what happens, in readable lines, to the console. Defaults to `false`. */
  debug?: boolean | undefined
}

/** The headers by which a request says from which device and tab it comes. */
// No interface: that would be no `HeadersInit`, for it could be added to from outside.
export type IdentityHeaders = {
  /** The browser profile. */
  'X-Device-Id': string
  /** The tab. */
  'X-Session-Id': string
}

/** What {@link Tidings.fetch} takes beside what `fetch` takes. */
export interface TidingsRequestInit extends FetchInit {
  /**
   * Whether to say from which device and tab the request comes. Defaults to `true` for the page's own origin and `false`
   * for every other, which would need CORS to allow the headers, and may be none of that origin's business.
   */
  identify?: boolean | undefined
  /**
   * `queue`: a mutation that cannot be sent now is kept and sent later, over reloads; it is answered at once by a status of
   * 202. Needs `queueOffline` of `tidings/offline`. `GET` and `HEAD` change nothing and are never kept.
   */
  offline?: 'queue' | undefined
}
