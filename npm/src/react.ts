'use client'
/**
 * Tidings in React 18 and 19. A client component receives events for as long as it is mounted; on a server the hooks do
 * nothing.
 *
 * ```tsx
 * const tidings = new Tidings({ url: '/api/events' })
 * root.render(<TidingsProvider client={tidings}><App /></TidingsProvider>)
 *
 * function Note({ id }: { id: string }) {
 *   const { state } = useConnection()
 *   useChannel(`note:${id}`, (event) => console.log(event.payload))
 *   return <output>{state}</output>
 * }
 * ```
 *
 * @module
 */
import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useInsertionEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
  type FunctionComponent,
  type ReactNode,
} from 'react'
import { type AnyTidings, type Heard, IDLE, labelled, listen, noProvider, standing, type Wanted } from './binding.ts'
import type { ChannelOf, ChannelOptions, EventOn, Handlers, HandlersByType, Latest, PresenceState, RegisteredChannels, RegisteredLabels } from './channels.ts'
import type { TidingsClient } from './contract.ts'
import type { ConnectionSnapshot, Presence, SubscriptionState, TidingsEvent, Verb } from './types.ts'

const Context = createContext<AnyTidings | null>(null)

/** Provides a client to all components below. It does not own the client: unmounting ends nothing. */
export const TidingsProvider: FunctionComponent<{ client: AnyTidings; children?: ReactNode }> = ({ client, children }) =>
  createElement(Context.Provider, { value: client }, children)

/**
 * The client of the nearest provider.
 *
 * @throws a {@link TidingsError} `noProvider` without a `TidingsProvider` above
 */
export function useTidings(): TidingsClient {
  const client = useContext(Context)
  if (!client) throw noProvider('wrap the app in <TidingsProvider client={tidings}>')
  return client as TidingsClient
}

/** The state that a hook shows, for as long as its client and its channel stay the same. */
interface Shown<T> extends SubscriptionState {
  readonly tidings: TidingsClient
  readonly channel: string | null
  readonly value: T | undefined
}

function useListener<T>(verb: Verb, wanting: (show: (value: T) => void) => Wanted): Shown<T> {
  const tidings = useTidings()
  const [kept, keep] = useState<Shown<T>>()
  const show = (value: T): void => change({ value })
  const wanted = wanting(show)
  const { channel } = wanted
  const isOurs = (shown: Shown<T> | undefined): shown is Shown<T> => shown?.tidings === tidings && shown.channel === channel
  const unknown: Shown<T> = { tidings, channel, value: undefined, ...standing(channel) }
  const change = (part: Partial<Shown<T>>): void => keep((before) => ({ ...(isOurs(before) ? before : unknown), ...part }))
  const forget = (): void => keep(undefined)
  const current = useRef(wanted)
  const heard = useRef<Heard>(new Map())
  // Subscribes as soon as the component is on the page and before any event can arrive; never for a rendering that is
  // discarded. The subscription is kept while a suspended tree is hidden.
  useInsertionEffect(() => {
    current.current = { ...wanted, stands: change, forget }
  })
  useEffect(() => listen(tidings, verb, () => current.current, heard.current), [tidings, verb, channel])
  // The data shown before a pause are not shown again after it.
  useEffect(() => forget, [tidings, channel])
  return isOurs(kept) ? kept : unknown
}

/** The type of {@link useChannel}. */
export type UseChannel<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(channel: string | null, handler: Handlers<TidingsEvent<T>>, options?: ChannelOptions) => SubscriptionState
  : <K extends ChannelOf<C>>(channel: K | null, handler: Handlers<EventOn<C, K>>, options?: ChannelOptions) => SubscriptionState

/**
 * Subscribes to a channel, or to all channels that a pattern matches, while mounted; `null` pauses. The handler (or the
 * handlers by type of event) of the latest rendering is called, and need not be memoised.
 */
export const useChannel = ((channel: string | null, handler: Handlers<TidingsEvent>, options?: ChannelOptions): SubscriptionState => {
  const { status, error } = useListener('subscribe', () => ({ channel, handler, ...options }))
  return { status, error }
}) as UseChannel

/** The type of {@link useEvents}. */
export type UseEvents<L = RegisteredLabels> = string extends keyof L
  ? {
      <T = L[keyof L & string]>(label: string | null, handler: Handlers<TidingsEvent<T>>): SubscriptionState
      <T = L[keyof L & string]>(handlers: HandlersByType<TidingsEvent<T>>): SubscriptionState
    }
  : {
      <K extends ChannelOf<L>>(label: K | null, handler: Handlers<EventOn<L, K>>): SubscriptionState
      (handlers: HandlersByType<EventOn<L, '*'>>): SubscriptionState
    }

/**
 * Receives the events that the server addresses to this user or device, while mounted: by label or pattern (`null`
 * pauses), or by type of event under any label.
 */
export const useEvents = ((label: string | null | HandlersByType<TidingsEvent>, given?: Handlers<TidingsEvent>): SubscriptionState => {
  const [channel, handler] = labelled(label, given)
  const { status, error } = useListener('on', () => ({ channel, handler }))
  return { status, error }
}) as UseEvents

/** The type of {@link useLatest}. */
export type UseLatest<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(channel: string | null, options?: ChannelOptions) => Latest<TidingsEvent<T>>
  : <K extends ChannelOf<C>>(channel: K | null, options?: ChannelOptions) => Latest<EventOn<C, K>>

/** The last event that a channel delivered while this component subscribed to it. */
export const useLatest = ((channel: string | null, options?: ChannelOptions): Latest<TidingsEvent> => {
  const { status, error, value: event } = useListener<TidingsEvent>('subscribe', (handler) => ({ channel, handler, ...options }))
  return { event, status, error }
}) as UseLatest

/**
 * The users who are online on a channel, or on all channels that match a pattern (`*`: everyone). `null` pauses. The
 * hook needs a presence grant, which a grant to subscribe does not include: without it, `status` is `failed`. Watching
 * a channel does not put the user on it.
 */
export function usePresence(channel: ChannelOf<RegisteredChannels> | null): PresenceState {
  const { status, error, value } = useListener<Presence>('presence', (handler) => ({ channel, handler }))
  return { here: value?.here, asked: value?.asked, answered: value?.answered, status, error }
}

/** The connection, with methods to start and end it. */
export interface Connection extends ConnectionSnapshot {
  /** Connects at once, from any state. */
  connect(): void
  /** Ends the connection and keeps the handlers, until `connect` is called. */
  disconnect(): void
}

/** The state of the connection; the component renders again when it changes. The same object until then. */
export function useConnection(): Connection {
  const tidings = useTidings()
  const snapshot = useSyncExternalStore(tidings.subscribeState, tidings.getSnapshot, () => IDLE)
  return useMemo(
    () => ({ ...snapshot, connect: () => tidings.connect(), disconnect: () => tidings.disconnect() }),
    [tidings, snapshot],
  )
}
