/**
 * Tidings in Svelte 5. A component receives events for as long as it is mounted; on a server the hooks do nothing. A
 * channel that changes is passed as a function, which may read any rune.
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
import type { ConnectionSnapshot, Presence, SubscriptionState, TidingsEvent, Verb } from './types.ts'

const KEY = Symbol('tidings')

/**
 * Provides a client to this component and all components below. It does not own the client: unmounting ends nothing.
 */
export function provideTidings<T extends AnyTidings>(client: T): T {
  return setContext(KEY, client)
}

/**
 * The client of the nearest provider. Call it while a component initialises.
 *
 * @throws a {@link TidingsError} `noProvider` if no component above called `provideTidings`
 */
export function useTidings(): TidingsClient {
  const client = getContext<AnyTidings | undefined>(KEY)
  if (!client) throw noProvider('call provideTidings(tidings) in a component above')
  return client as TidingsClient
}

/** A value, or a function that reads runes. */
export type MaybeGetter<T> = T | (() => T)

const read = <T>(value: MaybeGetter<T>): T => (typeof value === 'function' ? (value as () => T)() : value)

/** Notifies the readers of a value in an effect or a template when the value changes. */
function signal(): { read: () => void; changed: () => void } {
  let tell: (() => void) | undefined
  const read = createSubscriber((update) => {
    tell = update
    return () => (tell = undefined)
  })
  return { read, changed: () => tell?.() }
}

/** What a hook shows of its channel, by name, beside the state of the subscription. */
function useListener<T extends object>(
  verb: Verb,
  wanting: (show: (value: T) => void) => Wanted,
  names: readonly (keyof T)[] = [],
): SubscriptionState & { readonly [Name in keyof T]: T[Name] | undefined } {
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
    // A store of the current values of the runes: it follows them outside compiled code, where there is no `$effect`.
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
  const shown = {
    get status() {
      return state().status
    },
    get error() {
      return state().error
    },
  }
  for (const name of names) Object.defineProperty(shown, name, { enumerable: true, get: () => (track(), value?.[name]) })
  return shown as ReturnType<typeof useListener<T>>
}

/** The type of {@link useChannel}. */
export type UseChannel<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(
      channel: MaybeGetter<string | null>,
      handler: Handlers<TidingsEvent<T>>,
      options?: MaybeGetter<ChannelOptions>,
    ) => SubscriptionState
  : <K extends ChannelOf<C>>(channel: MaybeGetter<K | null>, handler: Handlers<EventOn<C, K>>, options?: MaybeGetter<ChannelOptions>) => SubscriptionState

/**
 * Subscribes to a channel, or to all channels that a pattern matches, while mounted; `null` pauses. Takes one handler,
 * or one for each type of event.
 */
export const useChannel = ((
  channel: MaybeGetter<string | null>,
  handler: Handlers<TidingsEvent>,
  options?: MaybeGetter<ChannelOptions>,
): SubscriptionState => useListener('subscribe', () => ({ channel: read(channel), handler, ...read(options) }))) as UseChannel

/** The type of {@link useEvents}. */
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
 * Receives the events that the server addresses to this user or device, while mounted: by label or pattern (`null`
 * pauses), or by type of event under any label.
 */
export const useEvents = ((
  label: MaybeGetter<string | null> | HandlersByType<TidingsEvent>,
  given?: Handlers<TidingsEvent>,
): SubscriptionState => {
  const [channel, handler] = labelled(label, given)
  return useListener('on', () => ({ channel: read(channel), handler }))
}) as UseEvents

/** The type of {@link useLatest}. */
export type UseLatest<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(channel: MaybeGetter<string | null>, options?: MaybeGetter<ChannelOptions>) => Latest<TidingsEvent<T>>
  : <K extends ChannelOf<C>>(channel: MaybeGetter<K | null>, options?: MaybeGetter<ChannelOptions>) => Latest<EventOn<C, K>>

/**
 * The last event that a channel delivered while this component subscribed to it. Read it through the object, as
 * `latest.event`.
 */
export const useLatest = ((channel: MaybeGetter<string | null>, options?: MaybeGetter<ChannelOptions>): Latest<TidingsEvent> => {
  return useListener<{ event: TidingsEvent }>(
    'subscribe',
    (show) => ({ channel: read(channel), handler: (event: TidingsEvent) => show({ event }), ...read(options) }),
    ['event'],
  )
}) as UseLatest

/**
 * The users who are online on a channel, or on all channels that match a pattern (`*`: everyone). `null` pauses. The
 * hook needs a presence grant, which a grant to subscribe does not include: without it, `status` is `failed`. Watching
 * a channel does not put the user on it. Read it through the object, as `room.here`.
 */
export function usePresence(channel: MaybeGetter<ChannelOf<RegisteredChannels> | null>): PresenceState {
  return useListener<Presence>('presence', (handler) => ({ channel: read(channel), handler }), ['here', 'asked', 'answered'])
}

/**
 * The connection, with methods to start and end it. Read it through the object, as `connection.state`: destructured
 * properties do not change.
 */
export interface Connection {
  /** The state of the connection. */
  readonly state: ConnectionSnapshot['state']
  /** The number of failures in a row; 0 while the connection works. */
  readonly attempt: number
  /** While `waiting`: the length of the whole wait, in milliseconds. */
  readonly nextRetryMs: number | undefined
  /** The last failure since the connection last opened; `undefined` without one. */
  readonly lastError: ConnectionSnapshot['lastError'] | undefined
  /** The server's name for this stream, while `open`. */
  readonly connectionId: string | undefined
  /** Connects at once, from any state. */
  connect(): void
  /** Ends the connection and keeps the handlers, until `connect` is called. */
  disconnect(): void
}

/** The connection, with its state. */
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
