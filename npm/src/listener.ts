import { attempt } from './attempt.ts'
import type { Engine } from './engine.ts'
import type { TidingsError } from './errors.ts'
import { asError, failure } from './failures.ts'
import type { GapHandler, Stop, SubscribeOptions, TidingsEvent, Verb } from './types.ts'

/** What a listener needs of its client. */
export interface Host {
  /** It was stopped. */
  drop(listener: Listener): void
  /** Something went wrong with it. */
  tell(error: TidingsError): void
  /** It may have missed events, and its own `onGap` has been told. */
  gap(...gap: Parameters<GapHandler>): void
  log(line: string): void
}

/** One handler, over all the engines that its client has in the course of time. */
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
  /** The last engine's: without one there is nothing to compare. */
  #isAfter!: Engine['isAfter']
  #stopped = false
  /** The server has confirmed it. */
  #confirmed = false
  /** The server gives it at present. */
  #active = false
  /**
   * It has heard everything up to this cursor. Kept before the handler is called, so that whatever befalls the engine then, the next
   * one begins just behind.
   */
  floor: string | undefined
  /** Up to here it had heard everything when its engine was given up. */
  #known: string | undefined
  /** Its engine was given up, and nobody knows what it had heard. */
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
    // Whoever awaits `ready` still sees the rejection; this only says that nobody has to.
    this.#ready.catch(() => {})
    host.log(this.#detail)
  }

  get #detail(): string {
    return `${this.verb} ${this.channel}`
  }

  /** What its caller gets. */
  get stop(): Stop {
    return Object.assign(() => this.end(), { ready: this.#ready })
  }

  /** Ends it. */
  end(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#host.log(`unsubscribed ${this.channel}`)
    this.#host.drop(this)
    this.#unsubscribe?.()
    this.fail(failure('stopped', { detail: this.#detail, channel: this.channel }))
  }

  /** It will not become ready, unless it has. */
  fail(error: TidingsError): void {
    this.#reject(error)
    // Not from inside the call that brought us here, as `ready`.
    queueMicrotask(() => this.#confirmed || this.#stopped || this.#options.onStatus?.('failed', error))
  }

  /** Listens by this engine, from where it stands. */
  begin(engine: Engine): void {
    const { client, guard, roster, isAfter } = engine
    this.#isAfter = isAfter
    const settled = (code: string | undefined, cursor: string): void => this.#settled(code, cursor)
    // Once it has been confirmed, what it was made with is long behind it.
    const since = this.#confirmed ? undefined : this.#options.since
    try {
      const number =
        this.verb === 'subscribe' ? client.subscribe(this.channel, this.#hear, settled, this.#gap, this.floor ?? since)
        : this.verb === 'on' ? client.on(this.channel, this.#hear, settled)
        : client.presence(this.channel, (this.#roster ??= roster(this.#handler as never)), settled)
      this.#unsubscribe = () => attempt(engine, () => client.unsubscribe(number))
    } catch (cause) {
      // If it has been given up, there is another one soon.
      if (guard.ended) return
      const error = asError(cause, this.channel)
      this.#host.drop(this)
      this.fail(error)
      // Not from inside the call that brought us here: its caller may be in the midst of rendering.
      queueMicrotask(() => this.#host.tell(error))
    }
  }

  /** Its engine was given up. */
  abandon(): void {
    this.#unsubscribe = undefined
    this.#known = this.floor
    // Who is online comes anew.
    this.#owesGap ||= this.#confirmed && this.floor === undefined && this.verb !== 'presence'
  }

  /** It may have missed something, and that has been told. */
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
