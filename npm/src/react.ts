'use client'
/**
 * Tidings in React 18 and 19. A client component hears events for as long as it is mounted; nothing happens on a server.
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
import type { ConnectionSnapshot, Member, SubscriptionState, TidingsEvent, Verb } from './types.ts'

const Context = createContext<AnyTidings | null>(null)

/** Gives a client to all below. It does not own it: unmounting ends nothing. */
export const TidingsProvider: FunctionComponent<{ client: AnyTidings; children?: ReactNode }> = ({ client, children }) =>
  createElement(Context.Provider, { value: client }, children)

/**
 * The client.
 *
 * @throws a {@link TidingsError} `noProvider` where no `TidingsProvider` is above
 */
export function useTidings(): TidingsClient {
  const client = useContext(Context)
  if (!client) throw noProvider('wrap the app in <TidingsProvider client={tidings}>')
  return client as TidingsClient
}

/** What a hook shows, as long as neither its client nor its channel is another one. */
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
  // As soon as it is on the page and before any event can come; never for a rendering that is thrown away; and kept up
  // while a suspended tree is hidden, as the subscription is.
  useInsertionEffect(() => {
    current.current = { ...wanted, stands: change, forget }
  })
  useEffect(() => listen(tidings, verb, () => current.current, heard.current), [tidings, verb, channel])
  // What was shown before a pause is not shown again after it.
  useEffect(() => forget, [tidings, channel])
  return isOurs(kept) ? kept : unknown
}

/** {@link useChannel}. */
export type UseChannel<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(channel: string | null, handler: Handlers<TidingsEvent<T>>, options?: ChannelOptions) => SubscriptionState
  : <K extends ChannelOf<C>>(channel: K | null, handler: Handlers<EventOn<C, K>>, options?: ChannelOptions) => SubscriptionState

/**
 * Hears a channel, or all that a pattern matches, while mounted; `null` pauses. The handler, or one for each type of event,
 * is always that of the latest rendering, and need not be memoised.
 */
export const useChannel = ((channel: string | null, handler: Handlers<TidingsEvent>, options?: ChannelOptions): SubscriptionState => {
  const { status, error } = useListener('subscribe', () => ({ channel, handler, ...options }))
  return { status, error }
}) as UseChannel

/** {@link useEvents}. */
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
 * Hears what the server addresses to this user or device, while mounted: by label or pattern (`null` pauses), or by type of
 * event whatever the label.
 */
export const useEvents = ((label: string | null | HandlersByType<TidingsEvent>, given?: Handlers<TidingsEvent>): SubscriptionState => {
  const [channel, handler] = labelled(label, given)
  const { status, error } = useListener('on', () => ({ channel, handler }))
  return { status, error }
}) as UseEvents

/** {@link useLatest}. */
export type UseLatest<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(channel: string | null, options?: ChannelOptions) => Latest<TidingsEvent<T>>
  : <K extends ChannelOf<C>>(channel: K | null, options?: ChannelOptions) => Latest<EventOn<C, K>>

/** The last event that a channel brought while this component listened to it. */
export const useLatest = ((channel: string | null, options?: ChannelOptions): Latest<TidingsEvent> => {
  const { status, error, value: event } = useListener<TidingsEvent>('subscribe', (handler) => ({ channel, handler, ...options }))
  return { event, status, error }
}) as UseLatest

/**
 * Who is online on a channel, or on all in a pattern (`*`: everyone). `null` pauses. It needs a presence grant, which hearing the
 * channel does not include: without it, `status` is `failed`. And seeing a channel is not being on it.
 */
export function usePresence(channel: ChannelOf<RegisteredChannels> | null): PresenceState {
  const { status, error, value: here } = useListener<readonly Member[]>('presence', (seen) => ({ channel, seen }))
  return { here, status, error }
}

/** The connection, and what one may do about it. */
export interface Connection extends ConnectionSnapshot {
  /** Connects at once, from any state. */
  connect(): void
  /** Ends the connection and keeps the handlers, until `connect`. */
  disconnect(): void
}

/** Where the connection stands; renders anew when that changes. The same object until it does. */
export function useConnection(): Connection {
  const tidings = useTidings()
  const snapshot = useSyncExternalStore(tidings.subscribeState, tidings.getSnapshot, () => IDLE)
  return useMemo(
    () => ({ ...snapshot, connect: () => tidings.connect(), disconnect: () => tidings.disconnect() }),
    [tidings, snapshot],
  )
}
