/**
 * Tidings in Svelte 5. A component hears events for as long as it is mounted; nothing happens on a server. A channel that
 * changes is given as a function, which may read any rune.
 *
 * ```svelte
 * <script lang="ts">
 *   let { id }: { id: string } = $props()
 *   const connection = useConnection()
 *   useChannel(() => `note:${id}`, (event) => console.log(event.payload))
 * </script>
 *
 * <output>{connection.state}</output>
 * ```
 *
 * @module
 */
import { getContext, onMount, setContext, untrack } from 'svelte'
import { createSubscriber } from 'svelte/reactivity'
import { toStore } from 'svelte/store'
import { type AnyTidings, type Heard, IDLE, labelled, listen, noProvider, standing, type Wanted } from './binding.ts'
import type { ChannelOf, ChannelOptions, EventOn, Handlers, HandlersByType, Latest, PresenceState, RegisteredChannels, RegisteredLabels } from './channels.ts'
import type { TidingsClient } from './contract.ts'
import type { ConnectionSnapshot, Member, SubscriptionState, TidingsEvent, Verb } from './types.ts'

const KEY = Symbol('tidings')

/** Gives a client to this component and all below. It does not own it: unmounting ends nothing. */
export function provideTidings<T extends AnyTidings>(client: T): T {
  return setContext(KEY, client)
}

/**
 * The client. Call it while a component initialises.
 *
 * @throws a {@link TidingsError} `noProvider` where no component above called `provideTidings`
 */
export function useTidings(): TidingsClient {
  const client = getContext<AnyTidings | undefined>(KEY)
  if (!client) throw noProvider('call provideTidings(tidings) in a component above')
  return client as TidingsClient
}

/** A value, or a function that reads runes. */
export type MaybeGetter<T> = T | (() => T)

const read = <T>(value: MaybeGetter<T>): T => (typeof value === 'function' ? (value as () => T)() : value)

/** Tells those who read a value in an effect or a template when it has changed. */
function signal(): { read: () => void; changed: () => void } {
  let tell: (() => void) | undefined
  const read = createSubscriber((update) => {
    tell = update
    return () => (tell = undefined)
  })
  return { read, changed: () => tell?.() }
}

function useListener<T, Name extends string>(
  verb: Verb,
  wanting: (show: (value: T) => void) => Wanted,
  name = '' as Name,
): SubscriptionState & { readonly [N in Name]: T | undefined } {
  const tidings = useTidings()
  const heard: Heard = new Map()
  const { read: track, changed } = signal()
  let value: T | undefined
  let settled: SubscriptionState | undefined
  const show = (shown: T): void => {
    value = shown
    changed()
  }
  const stands = (state?: SubscriptionState): void => {
    settled = state
    changed()
  }
  const forget = (): void => {
    value = undefined
    stands()
  }
  const wanted = (): Wanted => ({ ...wanting(show), stands, forget })
  onMount(() => {
    let stop: (() => void) | undefined
    let begun = false
    // A store of what the runes say now: it follows them outside compiled code, where there is no `$effect`.
    const end = toStore(() => wanted().channel).subscribe(() =>
      untrack(() => {
        if (begun) forget()
        begun = true
        stop?.()
        stop = listen(tidings, verb, wanted, heard)
      }),
    )
    return () => {
      end()
      stop?.()
    }
  })
  const state = (): SubscriptionState => (track(), settled ?? standing(wanted().channel))
  return {
    get [name]() {
      track()
      return value
    },
    get status() {
      return state().status
    },
    get error() {
      return state().error
    },
  } as ReturnType<typeof useListener<T, Name>>
}

/** {@link useChannel}. */
export type UseChannel<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(
      channel: MaybeGetter<string | null>,
      handler: Handlers<TidingsEvent<T>>,
      options?: MaybeGetter<ChannelOptions>,
    ) => SubscriptionState
  : <K extends ChannelOf<C>>(channel: MaybeGetter<K | null>, handler: Handlers<EventOn<C, K>>, options?: MaybeGetter<ChannelOptions>) => SubscriptionState

/** Hears a channel, or all that a pattern matches, while mounted; `null` pauses. With one handler, or one for each type. */
export const useChannel = ((
  channel: MaybeGetter<string | null>,
  handler: Handlers<TidingsEvent>,
  options?: MaybeGetter<ChannelOptions>,
): SubscriptionState => useListener('subscribe', () => ({ channel: read(channel), handler, ...read(options) }))) as UseChannel

/** {@link useEvents}. */
export type UseEvents<L = RegisteredLabels> = string extends keyof L
  ? {
      <T = L[keyof L & string]>(label: MaybeGetter<string | null>, handler: Handlers<TidingsEvent<T>>): SubscriptionState
      <T = L[keyof L & string]>(handlers: HandlersByType<TidingsEvent<T>>): SubscriptionState
    }
  : {
      <K extends ChannelOf<L>>(label: MaybeGetter<K | null>, handler: Handlers<EventOn<L, K>>): SubscriptionState
      (handlers: HandlersByType<EventOn<L, '*'>>): SubscriptionState
    }

/**
 * Hears what the server addresses to this user or device, while mounted: by label or pattern (`null` pauses), or by type of
 * event whatever the label.
 */
export const useEvents = ((
  label: MaybeGetter<string | null> | HandlersByType<TidingsEvent>,
  given?: Handlers<TidingsEvent>,
): SubscriptionState => {
  const [channel, handler] = labelled(label, given)
  return useListener('on', () => ({ channel: read(channel), handler }))
}) as UseEvents

/** {@link useLatest}. */
export type UseLatest<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(channel: MaybeGetter<string | null>, options?: MaybeGetter<ChannelOptions>) => Latest<TidingsEvent<T>>
  : <K extends ChannelOf<C>>(channel: MaybeGetter<K | null>, options?: MaybeGetter<ChannelOptions>) => Latest<EventOn<C, K>>

/** The last event that a channel brought while this component listened to it. Read it whole, as `latest.event`. */
export const useLatest = ((channel: MaybeGetter<string | null>, options?: MaybeGetter<ChannelOptions>): Latest<TidingsEvent> => {
  return useListener<TidingsEvent, 'event'>('subscribe', (handler) => ({ channel: read(channel), handler, ...read(options) }), 'event')
}) as UseLatest

/**
 * Who is online on a channel, or on all in a pattern (`*`: everyone). `null` pauses. It needs a presence grant, which hearing the
 * channel does not include: without it, `status` is `failed`. And seeing a channel is not being on it. Read it whole, as `room.here`.
 */
export function usePresence(channel: MaybeGetter<ChannelOf<RegisteredChannels> | null>): PresenceState {
  return useListener<readonly Member[], 'here'>('presence', (seen) => ({ channel: read(channel), seen }), 'here')
}

/** The connection, and what one may do about it. Read it whole, as `connection.state`: destructured it would stand still. */
export interface Connection {
  /** Where the connection stands. */
  readonly state: ConnectionSnapshot['state']
  /** Failures in a row; 0 while all is well. */
  readonly attempt: number
  /** While `waiting`: how long the whole wait is, in milliseconds. */
  readonly nextRetryMs: number | undefined
  /** The failure since the connection last opened, if there was one. */
  readonly lastError: ConnectionSnapshot['lastError'] | undefined
  /** The server's name for this stream, while `open`. */
  readonly connectionId: string | undefined
  /** Connects at once, from any state. */
  connect(): void
  /** Ends the connection and keeps the handlers, until `connect`. */
  disconnect(): void
}

/** Where the connection stands. */
export function useConnection(): Connection {
  const tidings = useTidings()
  const { read: track, changed } = signal()
  let snapshot = IDLE
  const now = (): ConnectionSnapshot => (track(), snapshot)
  onMount(() => {
    const follow = (): void => {
      snapshot = tidings.getSnapshot()
      changed()
    }
    follow()
    return tidings.subscribeState(follow)
  })
  return {
    get state() {
      return now().state
    },
    get attempt() {
      return now().attempt
    },
    get nextRetryMs() {
      return now().nextRetryMs
    },
    get lastError() {
      return now().lastError
    },
    get connectionId() {
      return now().connectionId
    },
    connect: () => tidings.connect(),
    disconnect: () => tidings.disconnect(),
  }
}
