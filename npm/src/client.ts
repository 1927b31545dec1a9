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

/** Whether this is the development build, which explains and warns. By the build. */
declare const DEVELOPMENT: boolean

/** Without these no engine can be made. */
const NEEDED = ['TextEncoder', 'TextDecoder', 'MessageChannel', 'WebAssembly']

/** An engine that has to be given up so soon after the one before it is the last: what broke it breaks every one. */
const BROKEN_AGAIN_MS = 60_000

/**
 * One connection to a Tidings server, and those who listen to it.
 *
 * Making one does nothing; the first handler (or `connect()`) loads the engine and connects. Every method may be called at any time,
 * also before the engine has loaded and inside a callback, and may be handed on as it is.
 *
 * ```ts
 * const tidings = new Tidings({ url: '/api/events' })
 * const stop = tidings.subscribe<Timer>('timer:u1', (event) => render(event.payload))
 * ```
 *
 * @typeParam C - the type of each channel; defaults to what is registered in {@link Register}
 * @typeParam L - the type of each label; defaults to what is registered there, or else to `C`
 */
export class Tidings<C extends object = RegisteredChannels, L extends object = LabelsOf<C>> implements TidingsClient<C, L> {
  declare readonly [maps]?: { channels: C; labels: L }
  #options: TidingsOptions
  readonly #connection = new Subscribable<ConnectionSnapshot>({ state: 'idle', attempt: 0 })
  readonly #gaps = new Subscribable<Parameters<GapHandler> | undefined>(undefined)
  /** In their order. They outlive engines. */
  readonly #listeners = new Set<Listener>()
  #engine: Engine | undefined
  /** One is being loaded or made, or its loading will be tried again. */
  #starting = false
  /** Of the engine that is there or being made; with another one, it is nobody's. */
  #run = 0
  /** `connect()` was called, so that it connects without a handler, too. */
  #asked = false
  /** `disconnect()` was called, or we have given up; only `connect()` begins anew. */
  #off = false
  /** Why we have given up, for those who come after. */
  #failure: TidingsError | undefined
  /** No stream has begun where the option `since` says. */
  #fresh = true
  /** How often the engine could not be loaded. */
  #failures = 0
  #retry: { now(): void; cancel(): void } | undefined
  /** When an engine had to be given up. */
  #brokenAt = -Infinity
  /** How the engine reads streams. */
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
   * Hears the events of a channel (`timer:u1`), of all below a prefix (`chat:*`), or of all channels (`*`). Foreign ids
   * enter a channel through {@link segment}. Events addressed to the user are heard by {@link Tidings.on} instead.
   *
   * Nothing is thrown here: a malformed channel or a refusal rejects `ready` and goes to `onError`.
   *
   * @returns a function that ends it
   */
  readonly subscribe = ((channel: string, handler: EventHandler, options: SubscribeOptions = {}) =>
    this.#listen('subscribe', channel, handler, options)) as Subscribe<C>

  /**
   * Hears the events that the server addresses to this user or device, by their label (`timer`) or a pattern of labels.
   * They come by themselves: there is nothing to subscribe to.
   *
   * @returns a function that ends it
   */
  readonly on = ((label: string, handler: EventHandler, { onReady, onStatus }: ReadyOptions = {}) =>
    this.#listen('on', label, handler, { onReady, onStatus })) as On<L>

  /**
   * Tells who is online on a channel: at first everyone who is there, and then who comes and who goes. Of a pattern
   * (`room:*`), who is on any channel in it; of `*`, everyone. It needs a grant of its own, and a server that has presence.
   *
   * Seeing a channel is not being on it: who is on it is who subscribes to it. Over a lost connection the list stands still,
   * and what differs afterwards is told.
   *
   * @returns a function that ends it
   */
  readonly presence = (channel: ChannelOf<C>, handler: PresenceHandler, { onReady, onStatus }: ReadyOptions = {}): Stop =>
    this.#listen('presence', channel, handler as never, { onReady, onStatus })

  /** Where the connection stands. */
  get state(): ConnectionState {
    return this.getSnapshot().state
  }

  /** The server's name for the stream, while `open`. */
  get connectionId(): string | undefined {
    return this.getSnapshot().connectionId
  }

  /** Who the server says the user is; `undefined` before the first connection, and for anonymous users. */
  get userId(): string | undefined {
    return this.#engine?.client.userId
  }

  /** The browser profile: the same in all tabs and after a reload, where storage is allowed. */
  get deviceId(): string {
    if (this.#deviceId === undefined) {
      this.#deviceId = deviceId()
      void this.#agree()
    }
    return this.#deviceId
  }

  /** This tab: new after a reload, and for a duplicated tab. */
  get sessionId(): string {
    return (this.#sessionId ??= randomId())
  }

  /** The headers by which a request says from which device and tab it comes, for any HTTP client. */
  readonly headers = (): IdentityHeaders => ({ 'X-Device-Id': this.deviceId, 'X-Session-Id': this.sessionId })

  /**
   * `fetch` with those headers, so that the server can leave out this tab when it publishes what the request changed.
   * Only towards the page's own origin, unless `identify` says otherwise; headers that are there already stay.
   */
  readonly fetch = (input: FetchInput, init?: TidingsRequestInit): Promise<FetchResponse> =>
    identifiedFetch(this.headers, input, init, this.#sender)

  /** For `configureTidings`: takes options that differ in their functions only. */
  adopt(options: TidingsOptions): void {
    this.#options = { ...options }
  }

  /** For `tidings/offline`, which sends what `fetch` is given with `offline: 'queue'`, and has to know how to ask who we are. */
  readonly sendBy = (begin: (options: TidingsOptions) => Sender): (() => void) => {
    const sender = (this.#sender = begin(this.#options))
    return () => {
      // Another one may have taken over.
      if (this.#sender === sender) this.#sender = undefined
    }
  }

  /**
   * Loads the engine without connecting, so that the first handler need not wait for it.
   *
   * @returns resolves when it is there; nobody has to look at it
   */
  readonly preload = (): Promise<void> => {
    const loaded = this.#load().then(() => {}, (cause: unknown) => { throw asError(cause) })
    loaded.catch(() => {})
    return loaded
  }

  /** Connects at once, from any state, and counts failures from 0 again. Also tries again to load an engine that could not be. */
  readonly connect = (): void => {
    this.#asked = true
    this.#off = false
    this.#failure = undefined
    const engine = this.#engine
    if (engine && this.#made !== this.#transport()) {
      // It was made where nothing was to connect by itself.
      this.#leave()
      engine.guard.end()
      for (const listener of this.#listeners) listener.abandon()
    }
    // Before the engine says so, which may break by it.
    if (this.#engine && ['idle', 'closed'].includes(this.state)) this.#onState('connecting', 0)
    if (this.#call(({ client }) => client.connect())) return
    this.#failures = 0
    if (this.#retry) this.#retry.now()
    else this.#use()
  }

  /** Ends the connection and keeps the handlers. Only `connect()` begins another. */
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
   * stays: it names the browser, not the user. The state becomes `idle`.
   */
  readonly reset = (): void => {
    const engine = this.#engine
    this.#leave()
    if (DEVELOPMENT) ends(this)
    if (engine) {
      // What it tells is nobody's any more.
      attempt(engine, () => engine.client.disconnect())
      engine.guard.end()
    }
    for (const listener of [...this.#listeners]) listener.end()
    this.#asked = this.#off = this.#fresh = false
    this.#failure = undefined
    this.#brokenAt = -Infinity
    this.#sessionId = undefined
    // Told also where it was `idle`: what is shown is the former user's.
    this.#show({ state: 'idle', attempt: 0 }, true)
  }

  /** The connection now: the same object until something changes. */
  readonly getSnapshot = (): ConnectionSnapshot => this.#connection.getSnapshot()

  /**
   * Calls `listener` after every change of {@link Tidings.getSnapshot}.
   *
   * @returns a function that ends it
   */
  readonly subscribeState = (listener: () => void): (() => void) => this.#connection.subscribe(listener)

  /**
   * Calls `listener` with every gap, as the option `onGap` is called.
   *
   * @returns a function that ends it
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
    // Our caller may be in the midst of rendering, so nobody is told anything before it is through.
    else if (!this.#call((engine) => listener.begin(engine))) queueMicrotask(() => this.#use())
    return listener.stop
  }

  /** Calls the engine, if there is one. */
  #call(run: (engine: Engine) => void): boolean {
    const engine = this.#engine
    if (!engine || engine.guard.ended) return false
    attempt(engine, () => run(engine))
    return true
  }

  /** Has an engine made, if there is something to do for it. */
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

  /** The engine, with its Wasm compiled; and beside that, for it takes as long, the device id. */
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

  /** Whoever is being made, or there, is nobody's from here on. */
  #leave(): void {
    this.#run++
    this.#engine = undefined
    this.#starting = false
    this.#failures = 0
    this.#retry?.cancel()
    this.#retry = undefined
  }

  /** No engine could be made. */
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

  /** The engine has been given up. Another one goes on where each listener stands. */
  #onBroken(cause: unknown): void {
    // A handler's coming is told by the engine alone.
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
    // It may have broken before it could tell that it was disconnected.
    if (this.#off) return this.#show({ state: 'closed', attempt: 0, lastError: error })
    if (idle) return
    // It was connected, for whatever reason.
    this.#asked = true
    this.#use()
  }

  /** Only `connect()` begins anew. */
  #giveUp(error: TidingsError): void {
    this.#leave()
    this.#off = true
    this.#failure = error
    this.#show({ state: 'closed', attempt: 0, lastError: error })
    this.#tell(error)
    for (const listener of this.#listeners) listener.fail(error)
  }

  /**
   * How streams are read. Where there is no `EventSource`, by `fetch`: in a page, and where somebody called `connect()`; but a server that
   * renders connects nobody by itself.
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
      // What it throws is told; the others have to hear of the gap all the same.
      this.#gaps.set(gap)
    }
  }

  #onFailure({ code, ...details }: ErrorReport): void {
    const error = failure(code, details)
    // What befell one channel or one callback says nothing about the connection, and neither does what does not end it.
    if (details.channel === undefined && code !== 'handlerError' && this.state !== 'open') {
      this.#connection.set({ ...this.getSnapshot(), lastError: error })
    }
    // It has given up. The handlers stay, for `connect()`; but who waits would wait for ever.
    if (this.state === 'closed' && !error.willRetry) for (const listener of this.#listeners) listener.fail(error)
    this.#tell(error)
  }

  /** Shows a state that is another one, and tells it. */
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

  /** Where nobody listens for errors, those that the client will not get over by itself must still not go by in silence. */
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
