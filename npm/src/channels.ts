import type { TidingsErrorCode } from './errors.ts'
import type { EventHandler, GapHandler, Member, ReadyOptions, Stop, SubscribeOptions, SubscriptionState, TidingsEvent } from './types.ts'

/**
 * Where an application registers the type of each of its channels, which `subscribe` hears, and of each of its labels, under which
 * events are addressed to users and devices, and which `on` hears; once, for the client and every hook:
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
 * So `subscribe('inbox')`, which would never hear anything, does not compile. Without `labels`, `on` takes what `channels` has.
 *
 * A value made of `type` and `payload` alone says both for each kind of event; a member without `payload` has `null`. Any
 * other value is the payload, under any type. Unregistered, every channel may carry anything.
 */
// An interface, because only those can be added to from outside.
export interface Register {}

/** Of an application that registered no types: any channel, any payload. */
export interface AnyChannels {
  [channel: string]: unknown
}

/** The channels that the application registered. */
export type RegisteredChannels = Register extends { channels: infer C extends object } ? C : AnyChannels

/** The labels that the application registered. */
export type RegisteredLabels = Register extends { labels: infer L extends object } ? L : RegisteredChannels

/** The labels of a client that is told its channels alone. */
export type LabelsOf<C> = C extends RegisteredChannels ? (RegisteredChannels extends C ? RegisteredLabels : C) : C

/** Whether a map says nothing about which channels there are. */
type IsOpen<C> = string extends keyof C ? true : false

/** The patterns that end below a channel: of `chat:${string}:typing`, `chat:*` and `chat:${string}:*`. */
type PatternsOver<Channel extends string> = Channel extends `${infer Head}:${infer Rest}`
  ? `${Head}:*` | `${Head}:${PatternsOver<Rest>}`
  : never

/** The channels of a map, and the patterns that match some of them. */
export type ChannelOf<C> = IsOpen<C> extends true ? string : (keyof C & string) | PatternsOver<keyof C & string> | '*'

/** What a map says of a channel, or of all that a pattern matches. */
type ValueOn<C, Asked extends string, Key extends keyof C & string = keyof C & string> = Key extends string
  ? Asked extends Key | PatternsOver<Key> | '*'
    ? C[Key]
    : never
  : never

/** An event, as one value of a map describes it. */
type Described<V> = [Exclude<keyof V, 'type' | 'payload'>] extends [never]
  ? V extends { type: infer Type extends string }
    ? TidingsEvent<V extends { payload: infer Payload } ? Payload : null, Type>
    : TidingsEvent<V>
  : TidingsEvent<V>

type DescribedEach<V> = V extends unknown ? Described<V> : never

/** The events that `subscribe` or `on` brings for a channel, label or pattern. */
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

/** A handler of a hook: one for all events, or one for each type of event. */
export type Handlers<E extends TidingsEvent> = ((event: E) => void) | HandlersByType<E>

/** A handler for each type of event; those of other types are not for us. */
export type HandlersByType<E extends TidingsEvent> = { readonly [T in E['type']]?: (event: Extract<E, { type: T }>) => void }

/** Options of `useChannel`. */
export interface ChannelOptions {
  /**
   * A cursor: first hear what the channel carried after it. Take it on the server (`hub.cursor()`) **before** loading the
   * data that it renders. After a pause the channel then goes on where it stood. Defaults to none: from now on.
   */
  since?: string | undefined
  /** Called when events of this channel may have been missed: refetch. */
  onGap?: GapHandler | undefined
  /** Called when the server has confirmed the channel: nothing is missed from here on, so fetch what the events change now. */
  onReady?: (() => void) | undefined
  /** Called when the server refuses the channel, or takes it away, with its code (`forbidden`). */
  onRefused?: ((code: TidingsErrorCode) => void) | undefined
}

/** What `useLatest` returns. */
export interface Latest<E extends TidingsEvent> extends SubscriptionState {
  /** The last event that the channel brought while the component listened to it; `undefined` before the first. */
  readonly event: E | undefined
}

/** What `usePresence` returns. */
export interface PresenceState extends SubscriptionState {
  /** Everyone who is there; `undefined` until it is known. */
  readonly here: readonly Member[] | undefined
}
