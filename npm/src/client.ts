import type { ChannelOf, On, RegisteredChannels, Subscribe } from './channels.ts'
import { Engine, type EngineOptions, type ErrorReport } from './engine.ts'
import type { TidingsError } from './errors.ts'
import { asError, failure } from './failures.ts'
import { identifiedFetch, type Sender } from './fetch.ts'
import { type Identity, keepDeviceId, makeIdentity } from './identity.ts'
import { type Call, LazyEngine } from './lazy-engine.ts'
import { present } from './present.ts'
import { roster } from './presence.ts'
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
} from './types.ts'

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
 *
 * @typeParam C - the type of each channel and label; defaults to what is registered in {@link Register}
 */
export class Tidings<C extends object = RegisteredChannels> {
  readonly #options: TidingsOptions
  readonly #connection = new Subscribable<ConnectionSnapshot>({ state: 'idle', attempt: 0 })
  readonly #gaps = new Subscribable<Parameters<GapHandler> | undefined>(undefined)
  readonly #engine: LazyEngine
  /** Of the handlers that do not know yet how they stand. */
  readonly #unready = new Set<(error: TidingsError) => void>()
  /** What was given out before the engine was there. */
  #identity: Identity | undefined
  #sender: Sender | undefined

  /** @param options - all optional; see {@link TidingsOptions} for the defaults */
  constructor(options: TidingsOptions = {}) {
    this.#options = { ...options }
    this.#engine = new LazyEngine(
      options.wasm,
      () => this.#make(),
      (error) => {
        if (options.deviceId === undefined) keepDeviceId(this.deviceId)
        this.#update({ state: 'closed', attempt: 0, lastError: error })
        this.#tell(error)
      },
    )
  }

  /**
   * Hears the events of a channel (`timer:u1`), of all below a prefix (`chat:*`), or of all channels (`*`). Foreign ids
   * enter a channel through {@link segment}. Events addressed to the user are heard by {@link Tidings.on} instead.
   *
   * Nothing is thrown here: a malformed channel or a refusal rejects `ready` and goes to `onError`.
   *
   * @returns a function that ends it
   */
  readonly subscribe = ((channel: string, handler: EventHandler, { since, onGap, onReady, onRevoked }: SubscribeOptions = {}) =>
    this.#listen(
      'subscribe',
      channel,
      (engine, settled) => engine.subscribe(channel, handler, settled, onGap, since),
      onReady,
      onRevoked,
    )) as Subscribe<C>

  /**
   * Hears the events that the server addresses to this user or device, by their label (`timer`) or a pattern of labels.
   * They come by themselves: there is nothing to subscribe to.
   *
   * @returns a function that ends it
   */
  readonly on = ((label: string, handler: EventHandler, { onReady }: ReadyOptions = {}) =>
    this.#listen('on', label, (engine, settled) => engine.on(label, handler, settled), onReady)) as On<C>

  /**
   * Tells who is online on a channel: at first everyone who is there, and then who comes and who goes. Of a pattern
   * (`room:*`), who is on any channel in it; of `*`, everyone. It needs a grant of its own, and a server that has presence.
   *
   * Seeing a channel is not being on it: who is on it is who subscribes to it. Over a lost connection the list stands still,
   * and what differs afterwards is told.
   *
   * @returns a function that ends it
   */
  readonly presence = (channel: ChannelOf<C>, handler: PresenceHandler): Stop =>
    this.#listen('presence', channel, (engine, settled) => engine.presence(channel, roster(handler), settled))

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
    return this.#engine.made?.userId
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
  readonly headers = (): IdentityHeaders => {
    const { deviceId, sessionId } = this.#who()
    return { 'X-Device-Id': deviceId, 'X-Session-Id': sessionId }
  }

  /**
   * `fetch` with those headers, so that the server can leave out this tab when it publishes what the request changed.
   * Only towards the page's own origin, unless `identify` says otherwise; headers that are there already stay.
   */
  readonly fetch = (input: RequestInfo | URL, init?: TidingsRequestInit): Promise<Response> =>
    identifiedFetch(this.headers, input, init, this.#sender)

  /** For `tidings/offline`, which sends what `fetch` is given with `offline: 'queue'`, and has to know how to ask who we are. */
  sendBy(begin: (options: TidingsOptions) => Sender): () => void {
    const sender = (this.#sender = begin(this.#options))
    return () => {
      // Another one may have taken over.
      if (this.#sender === sender) this.#sender = undefined
    }
  }

  /** Connects at once, from any state, and counts failures from 0 again. Also tries again to load Wasm that failed. */
  connect(): void {
    this.#engine.retry()
    this.#engine.use({ run: (engine) => engine.connect() })
  }

  /** Ends the connection and keeps the handlers. Only `connect()` begins another. */
  disconnect(): void {
    this.#engine.use({ run: (engine) => engine.disconnect() })
  }

  /**
   * For logout: ends the connection and forgets the user, the session id, the cursor and all handlers. The device id
   * stays: it names the browser, not the user. The state becomes `idle`.
   */
  reset(): void {
    this.#identity = this.#identity && makeIdentity(this.#identity.deviceId)
    this.#engine.use({ run: (engine) => engine.reset() })
  }

  /** The connection now: the same object until something changes. */
  getSnapshot = (): ConnectionSnapshot => this.#connection.getSnapshot()

  /**
   * Calls `listener` after every change of {@link Tidings.getSnapshot}.
   *
   * @returns a function that ends it
   */
  subscribeState = (listener: () => void): (() => void) => this.#connection.subscribe(listener)

  /**
   * Calls `listener` with every gap, as the option `onGap` is called.
   *
   * @returns a function that ends it
   */
  subscribeGap = (listener: GapHandler): (() => void) => {
    return this.#gaps.subscribe(() => {
      const gap = this.#gaps.getSnapshot()
      if (gap) listener(...gap)
    })
  }

  #listen(
    verb: string,
    channel: string,
    begin: (engine: Engine, settled: (code?: string) => void) => number,
    onReady?: () => void,
    onRevoked?: (code: string) => void,
  ): Stop {
    const detail = `${verb} ${channel}`
    let confirmed = false
    let resolve!: () => void
    let reject!: (error: TidingsError) => void
    const ready = new Promise<void>((yes, no) => {
      resolve = yes
      reject = no
    })
    // Whoever awaits `ready` still sees the rejection; this only says that nobody has to.
    ready.catch(() => {})
    this.#unready.add(reject)
    const settled = (): void => void this.#unready.delete(reject)
    ready.then(settled, settled)
    const call: Call = {
      run: (engine) => {
        try {
          const number = begin(engine, (code) => {
            if (code && confirmed) {
              this.#log(`revoked ${channel}`)
              return onRevoked?.(code)
            }
            if (code) return reject(failure(code, { detail, channel }))
            this.#log(`${{ on: 'hearing', presence: 'seeing' }[verb] ?? 'subscribed'} ${channel}`)
            resolve()
            if (confirmed || !end) return
            confirmed = true
            onReady?.()
          })
          end = () => engine.unsubscribe(number)
        } catch (cause) {
          const error = asError(cause, channel)
          reject(error)
          // Not from inside the call that brought us here: its caller may be in the midst of rendering.
          queueMicrotask(() => this.#tell(error))
        }
      },
      fail: reject,
    }
    let end: (() => void) | undefined = () => this.#engine.drop(call)
    const stop = (): void => {
      if (!end) return
      this.#log(`unsubscribed ${channel}`)
      end()
      end = undefined
      reject(failure('stopped', { detail, channel }))
    }
    this.#log(detail)
    this.#engine.use(call)
    return Object.assign(stop, { ready })
  }

  #make(): Engine {
    const { url = '/api/events', reconnect, idleMs, since, deviceId, credentials, token, transport } = this.#options
    const { shareConnection, reportLatency, debug, onGap } = this.#options
    const { deviceId: drawnId, sessionId } = this.#identity ?? {}
    const options: EngineOptions = {
      url,
      onState: (state, attempt, retryInMs, connectionId) => this.#onState(state, attempt, retryInMs, connectionId),
      onGap: (channels, reason, addressed) => {
        this.#log(`gap (${reason}) on ${channels?.concat(addressed ? 'addressed events' : []).join(', ') ?? 'all'}`)
        try {
          onGap?.(channels, reason, addressed)
        } finally {
          // What it throws is told; the others have to hear of the gap all the same.
          this.#gaps.set([channels, reason, addressed])
        }
      },
      onError: (report) => this.#onFailure(report),
    }
    const onDebug: EngineOptions['onDebug'] = (what, detail) => {
      if (what === 'closing') return this.#log(`closing (${String(detail)})`)
      const { channel, type, to } = detail as TidingsEvent
      this.#log(`event ${type} on ${channel} has no handler in any tab${to ? `: it was sent to this ${to}, so on('${channel}') hears it` : ''}`)
    }
    const withCredentials = credentials === 'include' || undefined
    const latencySample = typeof reportLatency === 'object' ? reportLatency.sample : reportLatency ? 1 : undefined
    return new Engine(
      Object.assign(
        options,
        present({
          deviceId,
          drawnId,
          sessionId,
          reconnect,
          idleMs,
          since,
          withCredentials,
          token,
          transport,
          shareConnection,
          latencySample,
          onDebug: debug ? onDebug : undefined,
        }),
      ),
    )
  }

  #who(): Identity {
    return this.#engine.now() ?? (this.#identity ??= makeIdentity(this.#options.deviceId))
  }

  #onState(state: ConnectionState, attempt: number, nextRetryMs?: number, connectionId?: string): void {
    const lastError = state === 'open' || state === 'idle' ? undefined : this.getSnapshot().lastError
    this.#update({ state, attempt, ...present({ nextRetryMs, connectionId, lastError }) })
  }

  #onFailure({ code, ...details }: ErrorReport): void {
    const error = failure(code, details)
    // What befell one channel or one callback says nothing about the connection.
    if (details.channel === undefined && code !== 'handlerError') {
      this.#connection.set({ ...this.getSnapshot(), lastError: error })
      // It has given up. The handlers stay, for `connect()`; but who waits would wait for ever.
      if (!error.willRetry && code !== 'malformedFrame') for (const reject of this.#unready) reject(error)
    }
    this.#tell(error)
  }

  #update(snapshot: ConnectionSnapshot): void {
    const { state, nextRetryMs, attempt, connectionId } = snapshot
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
