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
import { type AnyTidings, type Heard, IDLE, labelled, listen, noProvider, type Wanted } from './binding.ts'
import type { ChannelOf, ChannelOptions, EventOn, Handlers, HandlersByType, LatestOn, RegisteredChannels, RegisteredLabels } from './channels.ts'
import type { TidingsClient } from './contract.ts'
import type { ConnectionSnapshot, Member, TidingsEvent, Verb } from './types.ts'

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

function useListener(verb: Verb, given: () => Wanted, changed?: () => void): void {
  const tidings = useTidings()
  const heard: Heard = new Map()
  const wanted = (): Wanted => ({ ...given(), ...(changed && { forget: () => changed() }) })
  onMount(() => {
    let stop: (() => void) | undefined
    let begun = false
    // A store of what the runes say now: it follows them outside compiled code, where there is no `$effect`.
    const end = toStore(() => wanted().channel).subscribe(() =>
      untrack(() => {
        if (begun) changed?.()
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
}

/** {@link useChannel}. */
export type UseChannel<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(
      channel: MaybeGetter<string | null>,
      handler: Handlers<TidingsEvent<T>>,
      options?: MaybeGetter<ChannelOptions>,
    ) => void
  : <K extends ChannelOf<C>>(channel: MaybeGetter<K | null>, handler: Handlers<EventOn<C, K>>, options?: MaybeGetter<ChannelOptions>) => void

/** Hears a channel, or all that a pattern matches, while mounted; `null` pauses. With one handler, or one for each type. */
export const useChannel = ((
  channel: MaybeGetter<string | null>,
  handler: Handlers<TidingsEvent>,
  options?: MaybeGetter<ChannelOptions>,
): void => useListener('subscribe', () => ({ channel: read(channel), handler, ...read(options) }))) as UseChannel

/** {@link useEvents}. */
export type UseEvents<L = RegisteredLabels> = string extends keyof L
  ? {
      <T = L[keyof L & string]>(label: MaybeGetter<string | null>, handler: Handlers<TidingsEvent<T>>): void
      <T = L[keyof L & string]>(handlers: HandlersByType<TidingsEvent<T>>): void
    }
  : {
      <K extends ChannelOf<L>>(label: MaybeGetter<K | null>, handler: Handlers<EventOn<L, K>>): void
      (handlers: HandlersByType<EventOn<L, '*'>>): void
    }

/**
 * Hears what the server addresses to this user or device, while mounted: by label or pattern (`null` pauses), or by type of
 * event whatever the label.
 */
export const useEvents = ((
  label: MaybeGetter<string | null> | HandlersByType<TidingsEvent>,
  given?: Handlers<TidingsEvent>,
): void => {
  const [channel, handler] = labelled(label, given)
  useListener('on', () => ({ channel: read(channel), handler }))
}) as UseEvents

/** {@link useLatest}. */
export type UseLatest<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(
      channel: MaybeGetter<string | null>,
      options?: MaybeGetter<ChannelOptions>,
    ) => { readonly current: TidingsEvent<T> | undefined }
  : <K extends ChannelOf<C>>(channel: MaybeGetter<K | null>, options?: MaybeGetter<ChannelOptions>) => { readonly current: LatestOn<C, K> }

/** The last event that a channel brought while this component listened to it; `undefined` before the first. */
export const useLatest = ((channel: MaybeGetter<string | null>, options?: MaybeGetter<ChannelOptions>) => {
  let latest: TidingsEvent | undefined
  const { read: track, changed } = signal()
  const set = (event?: TidingsEvent): void => {
    latest = event
    changed()
  }
  useListener('subscribe', () => ({ channel: read(channel), handler: set, ...read(options) }), set)
  return {
    get current() {
      track()
      return latest
    },
  }
}) as UseLatest

/**
 * Who is online on a channel, or on all in a pattern (`*`: everyone); `undefined` until it is known. `null` pauses. It needs a
 * presence grant, which hearing the channel does not include; and seeing it is not being on it.
 */
export function usePresence(
  channel: MaybeGetter<ChannelOf<RegisteredChannels> | null>,
): { readonly current: readonly Member[] | undefined } {
  let members: readonly Member[] | undefined
  const { read: track, changed } = signal()
  const seen = (here?: readonly Member[]): void => {
    members = here
    changed()
  }
  useListener('presence', () => ({ channel: read(channel), seen }), seen)
  return {
    get current() {
      track()
      return members
    },
  }
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
