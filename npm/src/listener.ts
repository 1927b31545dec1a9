import { attempt } from './attempt.ts'
import type { Engine } from './engine.ts'
import type { TidingsError } from './errors.ts'
import { asError, failure } from './failures.ts'
import type { GapHandler, Stop, SubscribeOptions, TidingsEvent, Verb } from './types.ts'

/** The methods of its client that a listener calls. */
export interface Host {
  /** The listener was stopped. */
  drop(listener: Listener): void
  /** The listener failed. */
  tell(error: TidingsError): void
  /** The listener may have missed events, and its own `onGap` has been called. */
  gap(...gap: Parameters<GapHandler>): void
  log(line: string): void
}

/** One handler, over all the engines that its client uses one after another. */
export class Listener {
  readonly verb: Verb
  readonly channel: string
  readonly #host: Host
  readonly #handler: (event: TidingsEvent) => void
  readonly #options: SubscribeOptions
  readonly #ready: Promise<void>
  #resolve!: () => void
  #reject!: (error: TidingsError) => void
  #unsubscribe: (() => void) | undefined
  #roster: ReturnType<Engine['roster']> | undefined
  /** The comparison of the last engine: without an engine there is no cursor to compare. */
  #isAfter!: Engine['isAfter']
  #stopped = false
  /** The server has confirmed the subscription. */
  #confirmed = false
  /** The server currently grants the subscription. */
  #active = false
  /**
   * The cursor up to which the handler has received every event. It is stored before the handler is called, so that the
   * next engine begins right after it, whatever happens to the current one.
   */
  floor: string | undefined
  /** The cursor up to which the handler had received every event when its engine was given up. */
  #known: string | undefined
  /** The engine was given up, and it is unknown which events the handler had received. */
  #owesGap = false

  constructor(host: Host, verb: Verb, channel: string, handler: (event: TidingsEvent) => void, options: SubscribeOptions) {
    this.verb = verb
    this.channel = channel
    this.#host = host
    this.#handler = handler
    this.#options = options
    this.#ready = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // A caller that awaits `ready` still sees the rejection; this only marks it as handled for the others.
    this.#ready.catch(() => {})
    host.log(this.#detail)
  }

  get #detail(): string {
    return `${this.verb} ${this.channel}`
  }

  /** The function that the caller gets. */
  get stop(): Stop {
    return Object.assign(() => this.end(), { ready: this.#ready })
  }

  /** Ends the subscription. */
  end(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#host.log(`unsubscribed ${this.channel}`)
    this.#host.drop(this)
    this.#unsubscribe?.()
    this.fail(failure('stopped', { detail: this.#detail, channel: this.channel }))
  }

  /** Rejects `ready`, unless the subscription has been confirmed. */
  fail(error: TidingsError): void {
    this.#reject(error)
    // Deferred, as `ready` is, because the caller's own call has not returned yet.
    queueMicrotask(() => this.#confirmed || this.#stopped || this.#options.onStatus?.('failed', error))
  }

  /** Subscribes with this engine, from the position that the handler has reached. */
  begin(engine: Engine): void {
    const { client, guard, roster, isAfter } = engine
    this.#isAfter = isAfter
    const settled = (code: string | undefined, cursor: string): void => this.#settled(code, cursor)
    // Once the subscription has been confirmed, the handler is past the cursor with which it was made.
    const since = this.#confirmed ? undefined : this.#options.since
    try {
      const number =
        this.verb === 'subscribe' ? client.subscribe(this.channel, this.#hear, settled, this.#gap, this.floor ?? since)
        : this.verb === 'on' ? client.on(this.channel, this.#hear, settled)
        : client.presence(this.channel, (this.#roster ??= roster(this.#handler as never)), settled)
      this.#unsubscribe = () => attempt(engine, () => client.unsubscribe(number))
    } catch (cause) {
      // If this engine has been given up, another one follows soon.
      if (guard.ended) return
      const error = asError(cause, this.channel)
      this.#host.drop(this)
      this.fail(error)
      // Deferred, because the caller's own call has not returned yet: the caller may be rendering.
      queueMicrotask(() => this.#host.tell(error))
    }
  }

  /** Handles the end of the engine. */
  abandon(): void {
    this.#unsubscribe = undefined
    this.#known = this.floor
    // The list of users who are online is sent again in full.
    this.#owesGap ||= this.#confirmed && this.floor === undefined && this.verb !== 'presence'
  }

  /** Forgets that events may have been missed, because that has been reported. */
  forget(): void {
    this.floor = this.#known = undefined
  }

  readonly #hear = (event: TidingsEvent): void => {
    if (this.#known !== undefined && event.cursor && !this.#isAfter(event.cursor, this.#known)) return
    this.floor = event.cursor
    this.#handler(event)
  }

  readonly #gap: GapHandler = (...gap) => {
    this.forget()
    this.#options.onGap?.(...gap)
  }

  #settled(code: string | undefined, cursor: string): void {
    const { channel } = this
    const { onReady, onRevoked, onStatus } = this.#options
    const failed = (code: string): TidingsError => failure(code, { detail: this.#detail, channel })
    if (code && this.#confirmed) {
      this.#host.log(`revoked ${channel}`)
      this.#active = false
      onRevoked?.(code)
      return onStatus?.('failed', failed(code))
    }
    if (code) return this.fail(failed(code))
    this.#host.log(`${{ on: 'hearing', presence: 'seeing', subscribe: 'subscribed' }[this.verb]} ${channel}`)
    if (cursor && (this.floor === undefined || this.#isAfter(cursor, this.floor))) this.floor = cursor
    this.#resolve()
    if (this.#stopped) return
    const first = !this.#confirmed
    this.#confirmed = true
    if (this.#owesGap) {
      this.#owesGap = false
      const addressed = this.verb === 'on'
      const channels = addressed ? [] : [channel]
      this.#options.onGap?.(channels, 'internal', addressed)
      this.#host.gap(channels, 'internal', addressed)
    }
    const again = this.#active
    this.#active = true
    if (!again) onStatus?.('active')
    if (first) onReady?.()
  }
}
