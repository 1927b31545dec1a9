// This file is the class `Tidings` alone. It is not split, because its methods share the handlers, the engine and the state
// of the loading, which are private to the class; whatever needs none of them is a module of its own.
import { agreedDeviceId, deviceId, randomId } from '../../client-wasm/src/device.js'
import { attempt } from './attempt.ts'
import type { ChannelOf, LabelsOf, On, RegisteredChannels, Subscribe } from './channels.ts'
import { type Chunk, loadChunk } from './chunk.ts'
import type { maps, TidingsClient } from './contract.ts'
import type { Engine, EngineOptions, ErrorReport } from './engine.ts'
import type { TidingsError } from './errors.ts'
import { asError, failure } from './failures.ts'
import { identifiedFetch, type Sender } from './fetch.ts'
import { Listener } from './listener.ts'
import type { FetchInput, FetchResponse } from './platform.ts'
import { present } from './present.ts'
import { report, Subscribable } from './subscribable.ts'
import type {
  ConnectionSnapshot,
  ConnectionState,
  EventHandler,
  GapHandler,
  IdentityHeaders,
  PresenceHandler,
  ReadyOptions,
  Stop,
  SubscribeOptions,
  TidingsEvent,
  TidingsOptions,
  TidingsRequestInit,
  Verb,
} from './types.ts'
import { begins, ends, listens } from './warnings.ts'

/** Whether this is the development build, which explains errors and warns. Set by the build. */
declare const DEVELOPMENT: boolean

/** The globals that every engine needs. */
const NEEDED = ['TextEncoder', 'TextDecoder', 'MessageChannel', 'WebAssembly']

/**
 * A client whose engine breaks again within this time gives up, because the same cause would break every new engine.
 */
const BROKEN_AGAIN_MS = 60_000

/**
 * One connection to a Tidings server, and the handlers that receive its events.
 *
 * Making a client does nothing; the first handler (or `connect()`) loads the engine and connects. Every method may be
 * called at any time, also before the engine has loaded and inside a callback, and may be passed on without binding it.
 *
 * ```ts
 * const tidings = new Tidings({ url: '/api/events' })
 * const stop = tidings.subscribe<Timer>('timer:u1', (event) => render(event.payload))
 * ```
 *
 * @typeParam C - the type of each channel; defaults to the types registered in {@link Register}
 * @typeParam L - the type of each label; defaults to the types registered there, or else to `C`
 */
export class Tidings<C extends object = RegisteredChannels, L extends object = LabelsOf<C>> implements TidingsClient<C, L> {
  declare readonly [maps]?: { channels: C; labels: L }
  #options: TidingsOptions
  readonly #connection = new Subscribable<ConnectionSnapshot>({ state: 'idle', attempt: 0 })
  readonly #gaps = new Subscribable<Parameters<GapHandler> | undefined>(undefined)
  /** The handlers, in the order of their registration. They outlive engines. */
  readonly #listeners = new Set<Listener>()
  #engine: Engine | undefined
  /** An engine is being loaded or made, or its loading will be retried. */
  #starting = false
  /** The number of the current engine; calls of an engine with another number are ignored. */
  #run = 0
  /** `connect()` was called, so the client connects even without a handler. */
  #asked = false
  /** `disconnect()` was called, or the client has given up; only `connect()` starts again. */
  #off = false
  /** Why the client has given up, for handlers that are added later. */
  #failure: TidingsError | undefined
  /** No stream has begun yet at the cursor of the option `since`. */
  #fresh = true
  /** How many times the engine could not be loaded. */
  #failures = 0
  #retry: { now(): void; cancel(): void } | undefined
  /** When an engine last broke. */
  #brokenAt = -Infinity
  /** The transport with which the engine was made. */
  #made: TidingsOptions['transport']
  #deviceId: string | undefined
  #sessionId: string | undefined
  #sender: Sender | undefined

  /** @param options - all optional; see {@link TidingsOptions} for the defaults */
  constructor(options: TidingsOptions = {}) {
    this.#options = { ...options }
    this.#deviceId = options.deviceId
  }

  /**
   * Calls the handler with the events of a channel (`timer:u1`), of all channels below a prefix (`chat:*`), or of all
   * channels (`*`). Pass ids that are not your own through {@link segment} before they become part of a channel. Events
   * addressed to the user go to {@link Tidings.on} instead.
   *
   * The method throws nothing: a malformed channel or a refusal rejects `ready` and is passed to `onError`.
   *
   * @returns a function that ends the subscription
   */
  readonly subscribe = ((channel: string, handler: EventHandler, options: SubscribeOptions = {}) =>
    this.#listen('subscribe', channel, handler, options)) as Subscribe<C>

  /**
   * Calls the handler with the events that the server addresses to this user or device, by their label (`timer`) or a
   * pattern of labels. They need no subscription.
   *
   * @returns a function that removes the handler
   */
  readonly on = ((label: string, handler: EventHandler, { onReady, onStatus }: ReadyOptions = {}) =>
    this.#listen('on', label, handler, { onReady, onStatus })) as On<L>

  /**
   * Calls the handler with the users who are online on a channel: first with all of them, and then with those who come
   * and leave. A pattern (`room:*`) covers every channel that matches it; `*` covers everyone. The call needs a
   * presence grant, and a server with presence.
   *
   * Watching a channel does not put the user on it: the subscribers of a channel are online on it. While the connection
   * is lost the list does not change; the differences are reported after the reconnect.
   *
   * @returns a function that removes the handler
   */
  readonly presence = (channel: ChannelOf<C>, handler: PresenceHandler, { onReady, onStatus }: ReadyOptions = {}): Stop =>
    this.#listen('presence', channel, handler as never, { onReady, onStatus })

  /** The state of the connection. */
  get state(): ConnectionState {
    return this.getSnapshot().state
  }

  /** The server's name for the stream, while `open`. */
  get connectionId(): string | undefined {
    return this.getSnapshot().connectionId
  }

  /** The user id that the server reports; `undefined` before the first connection, and for anonymous users. */
  get userId(): string | undefined {
    return this.#engine?.client.userId
  }

  /** The id of the browser profile: the same in all tabs and after a reload, where storage is allowed. */
  get deviceId(): string {
    if (this.#deviceId === undefined) {
      this.#deviceId = deviceId()
      void this.#agree()
    }
    return this.#deviceId
  }

  /** The id of this tab: new after a reload, and in a duplicated tab. */
  get sessionId(): string {
    return (this.#sessionId ??= randomId())
  }

  /** The headers that name the device and tab from which a request comes, for any HTTP client. */
  readonly headers = (): IdentityHeaders => ({ 'X-Device-Id': this.deviceId, 'X-Session-Id': this.sessionId })

  /**
   * `fetch` with those headers, so that the server can exclude this tab when it publishes what the request changed. The
   * headers are sent to the page's own origin only, unless `identify` says otherwise; headers that are already set are
   * kept.
   */
  readonly fetch = (input: FetchInput, init?: TidingsRequestInit): Promise<FetchResponse> =>
    identifiedFetch(this.headers, input, init, this.#sender)

  /** For `configureTidings`: takes over options that differ in their functions only. */
  adopt(options: TidingsOptions): void {
    this.#options = { ...options }
  }

  /**
   * For `tidings/offline`, which sends the requests that `fetch` gets with `offline: 'queue'`, and needs the options to
   * ask the server who the user is.
   */
  readonly sendBy = (begin: (options: TidingsOptions) => Sender): (() => void) => {
    const sender = (this.#sender = begin(this.#options))
    return () => {
      // Another sender may have taken over.
      if (this.#sender === sender) this.#sender = undefined
    }
  }

  /**
   * Loads the engine without connecting, so that the first handler need not wait for it.
   *
   * @returns a promise that resolves when the engine is loaded; nobody has to await it
   */
  readonly preload = (): Promise<void> => {
    const loaded = this.#load().then(() => {}, (cause: unknown) => { throw asError(cause) })
    loaded.catch(() => {})
    return loaded
  }

  /**
   * Connects at once, from any state, and resets the count of failures. Also retries loading an engine whose loading
   * failed.
   */
  readonly connect = (): void => {
    this.#asked = true
    this.#off = false
    this.#failure = undefined
    const engine = this.#engine
    if (engine && this.#made !== this.#transport()) {
      // The engine was made where it was not to connect by itself.
      this.#leave()
      engine.guard.end()
      for (const listener of this.#listeners) listener.abandon()
    }
    // Shows the state before the engine reports it, because the call may break the engine.
    if (this.#engine && ['idle', 'closed'].includes(this.state)) this.#onState('connecting', 0)
    if (this.#call(({ client }) => client.connect())) return
    this.#failures = 0
    if (this.#retry) this.#retry.now()
    else this.#use()
  }

  /** Ends the connection and keeps the handlers. Only `connect()` begins another one. */
  readonly disconnect = (): void => {
    this.#asked = false
    this.#off = true
    if (DEVELOPMENT) ends(this)
    if (this.#call(({ client }) => client.disconnect())) return
    this.#leave()
    this.#show({ state: 'closed', attempt: 0 })
  }

  /**
   * For logout: ends the connection and forgets the user, the session id, the cursor and all handlers. The device id
   * stays, because it names the browser and not the user. The state becomes `idle`.
   */
  readonly reset = (): void => {
    const engine = this.#engine
    this.#leave()
    if (DEVELOPMENT) ends(this)
    if (engine) {
      // What the engine reports from here on is ignored.
      attempt(engine, () => engine.client.disconnect())
      engine.guard.end()
    }
    for (const listener of [...this.#listeners]) listener.end()
    this.#asked = this.#off = this.#fresh = false
    this.#failure = undefined
    this.#brokenAt = -Infinity
    this.#sessionId = undefined
    // Reported also when the state was `idle`, because the page may still show the former user's data.
    this.#show({ state: 'idle', attempt: 0 }, true)
  }

  /** The current state of the connection: the same object until something changes. */
  readonly getSnapshot = (): ConnectionSnapshot => this.#connection.getSnapshot()

  /**
   * Calls `listener` after every change of {@link Tidings.getSnapshot}.
   *
   * @returns a function that ends the calls
   */
  readonly subscribeState = (listener: () => void): (() => void) => this.#connection.subscribe(listener)

  /**
   * Calls `listener` with every gap, with the arguments of the option `onGap`.
   *
   * @returns a function that ends the calls
   */
  readonly subscribeGap = (listener: GapHandler): (() => void) =>
    this.#gaps.subscribe(() => {
      const gap = this.#gaps.getSnapshot()
      if (gap) listener(...gap)
    })

  #listen(verb: Verb, channel: string, handler: EventHandler, options: SubscribeOptions): Stop {
    const host = {
      drop: (one: Listener) => void this.#listeners.delete(one),
      tell: (error: TidingsError) => this.#tell(error),
      gap: (...gap: Parameters<GapHandler>) => this.#onGap(...gap),
      log: (line: string) => this.#log(line),
    }
    const listener = new Listener(host, verb, channel, handler, options)
    this.#listeners.add(listener)
    if (DEVELOPMENT) listens(channel, [...this.#listeners].filter((one) => one.channel === channel).length)
    if (this.#failure) listener.fail(this.#failure)
    // The caller may be rendering, so nothing is reported before it has returned.
    else if (!this.#call((engine) => listener.begin(engine))) queueMicrotask(() => this.#use())
    return listener.stop
  }

  /** Calls the engine, if one exists. Says whether it did. */
  #call(run: (engine: Engine) => void): boolean {
    const engine = this.#engine
    if (!engine || engine.guard.ended) return false
    attempt(engine, () => run(engine))
    return true
  }

  /** Starts an engine, if there is work for it. */
  #use(): void {
    if (this.#engine || this.#starting || this.#off || !(this.#asked || this.#listeners.size > 0)) return
    this.#starting = true
    void this.#start()
  }

  async #start(): Promise<void> {
    const run = ++this.#run
    this.#retry = undefined
    if (DEVELOPMENT) begins(this, this.#options.url ?? '/api/events')
    this.#show({ state: 'connecting', attempt: this.#failures })
    try {
      const [chunk, deviceId] = await this.#load()
      if (run !== this.#run) return
      const engine = await chunk.start(this.#engineOptions(run, deviceId, chunk), (cause) => run === this.#run && this.#onBroken(cause))
      if (!engine) return
      if (run !== this.#run) return engine.guard.end()
      this.#engine = engine
      this.#starting = false
      this.#failures = 0
      for (const listener of [...this.#listeners]) this.#call(() => listener.begin(engine))
      if (this.#asked) this.#call(({ client }) => client.connect())
      else if (this.#listeners.size === 0) this.#show({ state: 'idle', attempt: 0 })
    } catch (cause) {
      if (run === this.#run) this.#onUnmade(asError(cause))
    }
  }

  /** Loads the engine, compiles its Wasm, and meanwhile agrees on the device id with the other tabs. */
  #load(): Promise<[chunk: Chunk, deviceId: string]> {
    const missing = NEEDED.find((name) => (globalThis as Record<string, unknown>)[name] === undefined)
    if (missing) {
      const detail = `there is no ${missing} here`
      return Promise.reject(failure('unsupported', { detail, ...(DEVELOPMENT && { remedy: `give this environment a ${missing}; docs/runtimes.md says how` }) }))
    }
    const chunk = loadChunk().then((chunk) => chunk.compile().then(() => chunk))
    return Promise.all([chunk, this.#options.deviceId ?? this.#agree()])
  }

  /** The device id of all tabs of this browser. */
  async #agree(): Promise<string> {
    return (this.#deviceId = await agreedDeviceId())
  }

  /** Abandons the current engine, made or still being made. */
  #leave(): void {
    this.#run++
    this.#engine = undefined
    this.#starting = false
    this.#failures = 0
    this.#retry?.cancel()
    this.#retry = undefined
  }

  /** Handles the failure to make an engine. */
  #onUnmade(error: TidingsError): void {
    const { reconnect = {} } = this.#options
    if (error.code !== 'chunkFailed' || !reconnect) return this.#giveUp(error)
    const { baseMs = 1_000, capMs = 30_000, maxAttempts = Infinity } = reconnect
    if (++this.#failures >= maxAttempts) return this.#giveUp(error)
    const lastError = failure(error.code, { ...error, cause: error.cause, willRetry: true })
    const nextRetryMs = Math.random() * Math.min(capMs, baseMs * 2 ** this.#failures)
    const now = (): void => {
      this.#retry?.cancel()
      void this.#start()
    }
    const timer = setTimeout(now, nextRetryMs)
    globalThis.addEventListener?.('online', now)
    const cancel = (): void => {
      clearTimeout(timer)
      globalThis.removeEventListener?.('online', now)
    }
    this.#retry = { now, cancel }
    this.#show({ state: 'waiting', attempt: this.#failures, nextRetryMs, lastError })
    this.#tell(lastError)
  }

  /** Handles an engine that broke. Another engine continues at the position of each listener. */
  #onBroken(cause: unknown): void {
    // Only the engine reports that a handler came, so the state may still be `idle` with handlers.
    const idle = this.state === 'closed' || (this.state === 'idle' && this.#listeners.size === 0)
    this.#leave()
    this.#fresh &&= this.state === 'connecting'
    for (const listener of this.#listeners) listener.abandon()
    const now = Date.now()
    const willRetry = now - this.#brokenAt > BROKEN_AGAIN_MS
    this.#brokenAt = now
    const error = failure('internal', { detail: String(cause), cause, willRetry })
    if (!willRetry) return this.#giveUp(error)
    this.#connection.set({ ...this.getSnapshot(), lastError: error })
    this.#tell(error)
    // The engine may have broken before it could report that it was disconnected.
    if (this.#off) return this.#show({ state: 'closed', attempt: 0, lastError: error })
    if (idle) return
    // The client was connected, by a handler or by `connect()`.
    this.#asked = true
    this.#use()
  }

  /** Ends all attempts; only `connect()` starts again. */
  #giveUp(error: TidingsError): void {
    this.#leave()
    this.#off = true
    this.#failure = error
    this.#show({ state: 'closed', attempt: 0, lastError: error })
    this.#tell(error)
    for (const listener of this.#listeners) listener.fail(error)
  }

  /**
   * The transport for streams. Without `EventSource` it is `fetch`: in a page, and after a call of `connect()`. A
   * server that renders does not connect by itself.
   */
  #transport(): TidingsOptions['transport'] {
    const { transport = 'auto' } = this.#options
    const connects = this.#asked || typeof document !== 'undefined'
    return transport === 'auto' && connects && typeof EventSource === 'undefined' ? 'fetch' : transport
  }

  #engineOptions(run: number, deviceId: string, { earliest }: Chunk): EngineOptions {
    const { url = '/api/events', reconnect, idleMs, since, credentials, token } = this.#options
    const transport = (this.#made = this.#transport())
    const { shareConnection, reportLatency, debug } = this.#options
    const floors = [...this.#listeners].flatMap(({ verb, floor }) => (verb === 'on' && floor !== undefined ? [floor] : []))
    const current =
      <T extends unknown[]>(listener: (...given: T) => void) =>
      (...given: T): void => {
        if (run === this.#run) listener(...given)
      }
    const options: EngineOptions = {
      url,
      deviceId,
      sessionId: this.sessionId,
      onState: current((...status) => this.#onState(...status)),
      onGap: current((channels, reason, addressed) => {
        for (const listener of this.#listeners) if (addressed && listener.verb === 'on') listener.forget()
        this.#onGap(channels, reason, addressed)
      }),
      onError: current((report) => this.#onFailure(report)),
    }
    const onDebug: EngineOptions['onDebug'] = (what, detail) => {
      if (what === 'closing') return this.#log(`closing (${String(detail)})`)
      const { channel, type, to } = detail as TidingsEvent
      this.#log(`event ${type} on ${channel} has no handler in any tab${to ? `: it was sent to this ${to}, so on('${channel}') hears it` : ''}`)
    }
    const withCredentials = credentials === 'include' || undefined
    const latencySample = typeof reportLatency === 'object' ? reportLatency.sample : reportLatency ? 1 : undefined
    return Object.assign(
      options,
      present({
        reconnect,
        idleMs,
        since: earliest(floors) ?? (this.#fresh ? since : undefined),
        withCredentials,
        token: token && (() => this.#options.token?.()),
        transport,
        shareConnection,
        latencySample,
        onDebug: debug ? onDebug : undefined,
      }),
    )
  }

  #onState(state: ConnectionState, attempt: number, nextRetryMs?: number, connectionId?: string): void {
    const lastError = state === 'open' || state === 'idle' ? undefined : this.getSnapshot().lastError
    this.#show({ state, attempt, ...present({ nextRetryMs, connectionId, lastError }) })
  }

  #onGap(...gap: Parameters<GapHandler>): void {
    const [channels, reason, addressed] = gap
    this.#log(`gap (${reason}) on ${channels?.concat(addressed ? 'addressed events' : []).join(', ') ?? 'all'}`)
    try {
      this.#options.onGap?.(...gap)
    } finally {
      // An error that the callback throws is reported; the other listeners are called with the gap all the same.
      this.#gaps.set(gap)
    }
  }

  #onFailure({ code, ...details }: ErrorReport): void {
    const error = failure(code, details)
    // A failure of one channel or callback does not concern the connection, and neither does one that leaves it open.
    if (details.channel === undefined && code !== 'handlerError' && this.state !== 'open') {
      this.#connection.set({ ...this.getSnapshot(), lastError: error })
    }
    // The client has given up. The handlers stay, for `connect()`, but promises that wait for them are rejected.
    if (this.state === 'closed' && !error.willRetry) for (const listener of this.#listeners) listener.fail(error)
    this.#tell(error)
  }

  /** Shows a state if it differs from the current one, and calls the listeners. */
  #show(snapshot: ConnectionSnapshot, anew = false): void {
    const { state, nextRetryMs, attempt, connectionId } = snapshot
    const shown = this.getSnapshot()
    const keys = ['state', 'nextRetryMs', 'attempt', 'connectionId', 'lastError'] as const
    if (!anew && keys.every((key) => snapshot[key] === shown[key])) return
    this.#log(
      nextRetryMs !== undefined ? `reconnecting in ${Math.round(nextRetryMs)} ms, attempt ${attempt}`
      : connectionId ? `connected (${connectionId})`
      : state,
    )
    this.#connection.set(snapshot)
    this.#options.onState?.(state, snapshot)
  }

  /**
   * Logs errors that the client does not retry where the application has no `onError`, because they must not go
   * unnoticed.
   */
  #tell(error: TidingsError): void {
    const { message, status, channel, willRetry } = error
    this.#log(`error ${message}${status ? ` (status ${status})` : ''}${channel ? ` on ${channel}` : ''}${willRetry ? ', will retry' : ''}`)
    if (this.#options.onError) this.#options.onError(error)
    else if (error.code === 'handlerError') report(error.cause)
    else if (!error.willRetry) console.error(error)
  }

  #log(line: string): void {
    if (this.#options.debug) console.info(`tidings: ${line}`)
  }
}
