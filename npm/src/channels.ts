import type { TidingsErrorCode } from './errors.ts'
import type { EventHandler, GapHandler, Member, ReadyOptions, Stop, SubscribeOptions, SubscriptionState, TidingsEvent } from './types.ts'

/**
 * Where an application registers the type of each of its channels, for `subscribe`, and of each of its labels, under
 * which events are addressed to users and devices, for `on`. It does so once, for the client and every hook:
 *
 * ```ts
 * interface Channels {
 *   [timer: `timer:${string}`]: { type: 'started'; payload: Timer } | { type: 'stopped'; payload: { id: number } }
 *   news: string
 * }
 * interface Labels {
 *   inbox: { type: 'arrived'; payload: Mail }
 * }
 * declare module 'tidings' {
 *   interface Register {
 *     channels: Channels
 *     labels: Labels
 *   }
 * }
 * ```
 *
 * So `subscribe('inbox')`, which would never receive an event, does not compile. Without `labels`, `on` uses the types
 * of `channels`.
 *
 * A type that consists of `type` and `payload` alone describes both for each kind of event; a member without `payload`
 * has the payload `null`. Any other type is that of the payload, with any event type. Without registration, every
 * channel may carry any payload.
 */
// An interface, because only interfaces can be extended by other modules.
export interface Register {}

/** The map of an application that registered no types: any channel, any payload. */
export interface AnyChannels {
  [channel: string]: unknown
}

/** The channels that the application registered. */
export type RegisteredChannels = Register extends { channels: infer C extends object } ? C : AnyChannels

/** The labels that the application registered. */
export type RegisteredLabels = Register extends { labels: infer L extends object } ? L : RegisteredChannels

/** The labels of a client that is given its channels only. */
export type LabelsOf<C> = C extends RegisteredChannels ? (RegisteredChannels extends C ? RegisteredLabels : C) : C

/** Whether a map leaves open which channels exist. */
type IsOpen<C> = string extends keyof C ? true : false

/** The patterns that end below a channel: for `chat:${string}:typing`, `chat:*` and `chat:${string}:*`. */
type PatternsOver<Channel extends string> = Channel extends `${infer Head}:${infer Rest}`
  ? `${Head}:*` | `${Head}:${PatternsOver<Rest>}`
  : never

/** The channels of a map, and the patterns that match some of them. */
export type ChannelOf<C> = IsOpen<C> extends true ? string : (keyof C & string) | PatternsOver<keyof C & string> | '*'

/** The type that a map gives to a channel, or to all channels that a pattern matches. */
type ValueOn<C, Asked extends string, Key extends keyof C & string = keyof C & string> = Key extends string
  ? Asked extends Key | PatternsOver<Key> | '*'
    ? C[Key]
    : never
  : never

/** An event, as one type of a map describes it. */
type Described<V> = [Exclude<keyof V, 'type' | 'payload'>] extends [never]
  ? V extends { type: infer Type extends string }
    ? TidingsEvent<V extends { payload: infer Payload } ? Payload : null, Type>
    : TidingsEvent<V>
  : TidingsEvent<V>

type DescribedEach<V> = V extends unknown ? Described<V> : never

/** The events that `subscribe` or `on` delivers for a channel, label or pattern. */
export type EventOn<C, Asked extends string> =
  IsOpen<C> extends true ? TidingsEvent<C[keyof C & string]> : DescribedEach<ValueOn<C, Asked>>

/** The method {@link Tidings.subscribe}. */
export type Subscribe<C> =
  IsOpen<C> extends true
    ? <T = C[keyof C & string]>(channel: string, handler: EventHandler<T>, options?: SubscribeOptions) => Stop
    : <K extends ChannelOf<C>>(channel: K, handler: (event: EventOn<C, K>) => void, options?: SubscribeOptions) => Stop

/** The method {@link Tidings.on}. */
export type On<C> =
  IsOpen<C> extends true
    ? <T = C[keyof C & string]>(label: string, handler: EventHandler<T>, options?: ReadyOptions) => Stop
    : <K extends ChannelOf<C>>(label: K, handler: (event: EventOn<C, K>) => void, options?: ReadyOptions) => Stop

/** A handler of a hook: one function for all events, or one for each type of event. */
export type Handlers<E extends TidingsEvent> = ((event: E) => void) | HandlersByType<E>

/** A handler for each type of event; events of other types are ignored. */
export type HandlersByType<E extends TidingsEvent> = { readonly [T in E['type']]?: (event: Extract<E, { type: T }>) => void }

/** Options of `useChannel`. */
export interface ChannelOptions {
  /**
   * A cursor: the hook first receives the events that the channel carried after it. Take it on the server
   * (`hub.cursor()`) **before** loading the data that it renders. After a pause the subscription continues at the
   * position it had reached. Without it, the hook receives events from now on.
   */
  since?: string | undefined
  /** Called when events of this channel may have been missed: refetch the data. */
  onGap?: GapHandler | undefined
  /**
   * Called when the server has confirmed the channel: no event is missed from here on, so fetch the data that the
   * events change now.
   */
  onReady?: (() => void) | undefined
  /** Called when the server refuses or revokes the channel, with its code (`forbidden`). */
  onRefused?: ((code: TidingsErrorCode) => void) | undefined
}

/** The value that `useLatest` returns. */
export interface Latest<E extends TidingsEvent> extends SubscriptionState {
  /** The last event that the channel delivered while the component subscribed to it; `undefined` before the first. */
  readonly event: E | undefined
}

/** The value that `usePresence` returns. */
export interface PresenceState extends SubscriptionState {
  /** Every user who is online; `undefined` until the list has arrived. */
  readonly here: readonly Member[] | undefined
  /** How many servers were asked who is online; `undefined` until the list has arrived. */
  readonly asked: number | undefined
  /**
   * How many of them have answered; `undefined` until the list has arrived. While it is less than `asked`, more users
   * may be online than `here` lists.
   */
  readonly answered: number | undefined
}
