import { Engine, load, loadNow, type EngineOptions, type ErrorReport } from './engine.ts'
import { TidingsError } from './errors.ts'
import { type Identity, makeIdentity } from './identity.ts'
import { report, Subscribable } from './subscribable.ts'
import type {
  ConnectionSnapshot,
  ConnectionState,
  EventHandler,
  IdentityHeaders,
  Stop,
  SubscribeOptions,
  TidingsOptions,
  TidingsRequestInit,
} from './types.ts'

/** A call for the engine, made before it was there; `fail` tells its caller that it will not come. */
interface Call {
  run(engine: Engine): void
  fail?(error: TidingsError): void
}

/**
 * One connection to a Tidings server, and those who listen to it.
 *
 * Making one does nothing; the first handler (or `connect()`) loads the Wasm and connects. Every method may be called at
 * any time, also before the Wasm has loaded and inside a callback.
 *
 * ```ts
 * const tidings = new Tidings({ url: '/api/events' })
 * const stop = tidings.subscribe<Timer>('timer:u1', (event) => render(event.payload))
 * ```
 */
export class Tidings {
  readonly #options: TidingsOptions
  readonly #connection = new Subscribable<ConnectionSnapshot>({ state: 'idle', attempt: 0 })
  #engine?: Engine
  #identity: Identity | undefined
  #calls: Call[] = []
  #calling = false
  #loading = false
  #failure: TidingsError | undefined

  /** @param options - all optional; see {@link TidingsOptions} for the defaults */
  constructor(options: TidingsOptions = {}) {
    this.#options = { ...options }
  }

  /**
   * Hears the events of a channel (`timer:u1`), of all below a prefix (`chat:*`), or of all channels (`*`). Foreign ids
   * enter a channel through {@link segment}. Events addressed to the user are heard by {@link Tidings.on} instead.
   *
   * Nothing is thrown here: a malformed channel or a refusal rejects `ready` and goes to `onError`.
   *
   * @returns a function that ends it
   */
  subscribe<T = unknown>(channel: string, handler: EventHandler<T>, options: SubscribeOptions = {}): Stop {
    const { since, onGap } = options
    return this.#listen('subscribe', channel, (engine, settled) => engine.subscribe(channel, handler, settled, onGap, since))
  }

  /**
   * Hears the events that the server addresses to this user or device, by their label (`timer`) or a pattern of labels.
   * They come by themselves: there is nothing to subscribe to.
   *
   * @returns a function that ends it
   */
  on<T = unknown>(label: string, handler: EventHandler<T>): Stop {
    return this.#listen('on', label, (engine, settled) => engine.on(label, handler, settled))
  }

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
    return (this.#engine as { userId?: string } | undefined)?.userId
  }

  /** The browser profile: the same in all tabs and after a reload, where storage is allowed. */
  get deviceId(): string {
    return this.#who().deviceId
  }

  /** This tab: new after a reload, and for a duplicated tab. */
  get sessionId(): string {
    return this.#who().sessionId
  }

  /** The headers by which a request says from which device and tab it comes, for any HTTP client. */
  headers(): IdentityHeaders {
    const { deviceId, sessionId } = this.#who()
    return { 'X-Device-Id': deviceId, 'X-Session-Id': sessionId }
  }

  /**
   * `fetch` with those headers, so that the server can leave out this tab when it publishes what the request changed.
   * Only towards the page's own origin, unless `identify` says otherwise; headers that are there already stay.
   */
  async fetch(input: RequestInfo | URL, init: TidingsRequestInit = {}): Promise<Response> {
    const { identify = isSameOrigin(input), ...rest } = init
    if (!identify) return fetch(input, rest)
    const headers = new Headers(rest.headers ?? (input instanceof Request ? input.headers : undefined))
    for (const [name, value] of Object.entries(this.headers())) {
      if (!headers.has(name)) headers.set(name, value)
    }
    return fetch(input, { ...rest, headers })
  }

  /** Connects at once, from any state, and counts failures from 0 again. Also tries again to load Wasm that failed. */
  connect(): void {
    this.#failure = undefined
    this.#use({ run: (engine) => engine.connect() })
  }

  /** Ends the connection and keeps the handlers. Only `connect()` begins another. */
  disconnect(): void {
    this.#use({ run: (engine) => engine.disconnect() })
  }

  /**
   * For logout: ends the connection and forgets the user, the session id, the position and all handlers. The device id
   * stays: it names the browser, not the user. The state becomes `idle`.
   */
  reset(): void {
    this.#identity = this.#identity && makeIdentity(this.#identity.deviceId)
    this.#use({ run: (engine) => engine.reset() })
  }

  /** The connection now: the same object until something changes. */
  getSnapshot = (): ConnectionSnapshot => this.#connection.getSnapshot()

  /**
   * Calls `listener` after every change of {@link Tidings.getSnapshot}.
   *
   * @returns a function that ends it
   */
  subscribeState = (listener: () => void): (() => void) => this.#connection.subscribe(listener)

  #listen(verb: string, channel: string, begin: (engine: Engine, settled: (code?: string) => void) => number): Stop {
    const detail = `${verb} ${channel}`
    let end: (() => void) | undefined
    let stopped = false
    let resolve!: () => void
    let reject!: (error: TidingsError) => void
    const ready = new Promise<void>((yes, no) => {
      resolve = yes
      reject = no
    })
    // Whoever awaits `ready` still sees the rejection; this only says that nobody has to.
    ready.catch(() => {})
    const run = (engine: Engine): void => {
      if (stopped) return
      try {
        const number = begin(engine, (code) => (code ? reject(new TidingsError(code, { detail, channel })) : resolve()))
        end = () => engine.unsubscribe(number)
      } catch (cause) {
        const error = asError(cause, channel)
        reject(error)
        this.#tellSoon(error)
      }
    }
    this.#log(detail)
    this.#use({ run, fail: reject })
    const stop = (): void => {
      if (stopped) return
      stopped = true
      this.#log(`stop ${detail}`)
      reject(new TidingsError('stopped', { detail, channel }))
      end?.()
    }
    return Object.assign(stop, { ready })
  }

  /** Calls the engine: now, or as soon as it is there; always in the order of the calls. */
  #use(call: Call): void {
    this.#calls.push(call)
    if (this.#start()) this.#flush()
    else if (this.#failure) call.fail?.(this.#failure)
    else void this.#load()
  }

  #flush(): void {
    // A call may lead to a callback that calls us again: that call waits for its turn.
    if (this.#calling) return
    this.#calling = true
    try {
      for (let call; (call = this.#calls.shift()); ) call.run(this.#engine as Engine)
    } finally {
      this.#calling = false
    }
  }

  /** Whether the engine is there; makes it where that needs no waiting. */
  #start(): boolean {
    if (this.#engine || this.#loading || this.#failure || !loadNow(this.#options.wasm)) return this.#engine !== undefined
    try {
      this.#engine = this.#make()
    } catch (cause) {
      const error = (this.#failure = asError(cause))
      // Not from inside the call that brought us here.
      queueMicrotask(() => this.#fail(error))
    }
    return this.#engine !== undefined
  }

  async #load(): Promise<void> {
    if (this.#loading) return
    this.#loading = true
    try {
      await load(this.#options.wasm)
      this.#engine = this.#make()
    } catch (cause) {
      this.#failure = asError(cause)
    }
    this.#loading = false
    if (this.#failure) this.#fail(this.#failure)
    else this.#flush()
  }

  /** There will be no engine, unless `connect()` tries again: those who wait for it are told, and keep their place. */
  #fail(error: TidingsError): void {
    for (const call of this.#calls) call.fail?.(error)
    this.#update({ state: 'closed', attempt: 0, lastError: error })
    this.#tell(error)
  }

  #make(): Engine {
    const { url = '/api/events', reconnect, idleMs, since, withCredentials, onGap } = this.#options
    const { deviceId = this.#options.deviceId, sessionId } = this.#identity ?? {}
    const options: EngineOptions = {
      url,
      onState: (state, attempt, retryInMs, connectionId) => this.#onState(state, attempt, retryInMs, connectionId),
      onGap: (channels, reason) => {
        this.#log(`gap (${reason}) on ${channels?.join(', ') ?? 'all'}`)
        onGap?.(channels, reason)
      },
      onError: (failure) => this.#onFailure(failure),
    }
    return new Engine(Object.assign(options, present({ deviceId, sessionId, reconnect, idleMs, since, withCredentials })))
  }

  #who(): Identity {
    if (this.#start()) return this.#engine as Engine
    return (this.#identity ??= makeIdentity(this.#options.deviceId))
  }

  #onState(state: ConnectionState, attempt: number, nextRetryMs?: number, connectionId?: string): void {
    const lastError = state === 'open' || state === 'idle' ? undefined : this.getSnapshot().lastError
    this.#update({ state, attempt, ...present({ nextRetryMs, connectionId, lastError }) })
  }

  #onFailure({ code, ...details }: ErrorReport): void {
    const error = new TidingsError(code, details)
    // What befell one channel or one callback says nothing about the connection.
    if (details.channel === undefined && code !== 'handlerError') {
      this.#connection.set({ ...this.getSnapshot(), lastError: error })
    }
    this.#tell(error)
  }

  #update(snapshot: ConnectionSnapshot): void {
    const { state, nextRetryMs, attempt, connectionId } = snapshot
    this.#log(
      state === 'waiting' ? `waiting, trying again in ${nextRetryMs} ms (attempt ${attempt})`
      : connectionId ? `${state} (${connectionId})`
      : state,
    )
    this.#connection.set(snapshot)
    this.#options.onState?.(state, snapshot)
  }

  /** Where nobody listens for errors, those that the client will not get over by itself must still not go by in silence. */
  #tell(error: TidingsError): void {
    this.#log(error)
    if (this.#options.onError) this.#options.onError(error)
    else if (error.code === 'handlerError') report(error.cause)
    else if (!error.willRetry) console.error(error)
  }

  /** As {@link #tell}, but not from inside the call that went wrong: its caller may be in the midst of rendering. */
  #tellSoon(error: TidingsError): void {
    queueMicrotask(() => this.#tell(error))
  }

  #log(what: unknown): void {
    if (this.#options.debug) console.info('tidings:', what)
  }
}

/** Without what is undefined: to the engine and in snapshots, absent means absent. */
function present<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never
}

/** What the engine throws is an `Error` with a `code`. */
function asError(cause: unknown, channel?: string): TidingsError {
  if (cause instanceof TidingsError) return cause
  const { code = 'internal', message: detail } = cause as { code?: string; message?: string }
  return new TidingsError(code, { ...present({ detail, channel }), cause })
}

function isSameOrigin(input: RequestInfo | URL): boolean {
  if (typeof location === 'undefined') return false
  const base = typeof document === 'undefined' ? location.href : document.baseURI
  return new URL(input instanceof Request ? input.url : input, base).origin === location.origin
}
