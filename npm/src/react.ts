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
import { type AnyTidings, type Heard, IDLE, labelled, listen, noProvider, type Wanted } from './binding.ts'
import type { ChannelOf, ChannelOptions, EventOn, Handlers, HandlersByType, LatestOn, RegisteredChannels, RegisteredLabels } from './channels.ts'
import type { TidingsClient } from './contract.ts'
import type { ConnectionSnapshot, Member, TidingsEvent, Verb } from './types.ts'

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

function useListener(verb: Verb, wanted: Wanted): void {
  const tidings = useTidings()
  const current = useRef(wanted)
  const heard = useRef<Heard>(new Map())
  // As soon as it is on the page and before any event can come; never for a rendering that is thrown away; and kept up
  // while a suspended tree is hidden, as the subscription is.
  useInsertionEffect(() => {
    current.current = wanted
  })
  useEffect(() => listen(tidings, verb, () => current.current, heard.current), [tidings, verb, wanted.channel])
}

/** {@link useChannel}. */
export type UseChannel<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(channel: string | null, handler: Handlers<TidingsEvent<T>>, options?: ChannelOptions) => void
  : <K extends ChannelOf<C>>(channel: K | null, handler: Handlers<EventOn<C, K>>, options?: ChannelOptions) => void

/**
 * Hears a channel, or all that a pattern matches, while mounted; `null` pauses. The handler, or one for each type of event,
 * is always that of the latest rendering, and need not be memoised.
 */
export const useChannel = ((channel: string | null, handler: Handlers<TidingsEvent>, options?: ChannelOptions): void =>
  useListener('subscribe', { channel, handler, ...options })) as UseChannel

/** {@link useEvents}. */
export type UseEvents<L = RegisteredLabels> = string extends keyof L
  ? {
      <T = L[keyof L & string]>(label: string | null, handler: Handlers<TidingsEvent<T>>): void
      <T = L[keyof L & string]>(handlers: HandlersByType<TidingsEvent<T>>): void
    }
  : {
      <K extends ChannelOf<L>>(label: K | null, handler: Handlers<EventOn<L, K>>): void
      (handlers: HandlersByType<EventOn<L, '*'>>): void
    }

/**
 * Hears what the server addresses to this user or device, while mounted: by label or pattern (`null` pauses), or by type of
 * event whatever the label.
 */
export const useEvents = ((label: string | null | HandlersByType<TidingsEvent>, given?: Handlers<TidingsEvent>): void => {
  const [channel, handler] = labelled(label, given)
  useListener('on', { channel, handler })
}) as UseEvents

/** {@link useLatest}. */
export type UseLatest<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(channel: string | null, options?: ChannelOptions) => TidingsEvent<T> | undefined
  : <K extends ChannelOf<C>>(channel: K | null, options?: ChannelOptions) => LatestOn<C, K>

/** The last event that a channel brought while this component listened to it; `undefined` before the first. */
export const useLatest = ((channel: string | null, options?: ChannelOptions) => {
  const [latest, setLatest] = useState<{ channel: string | null; event: TidingsEvent }>()
  const forget = (): void => setLatest(undefined)
  useListener('subscribe', { channel, handler: (event) => setLatest({ channel, event }), forget, ...options })
  // What was heard before a pause is not shown again after it.
  useEffect(() => forget, [channel])
  return latest?.channel === channel ? latest.event : undefined
}) as UseLatest

/**
 * Who is online on a channel, or on all in a pattern (`*`: everyone); `undefined` until it is known. `null` pauses. It needs a
 * presence grant, which hearing the channel does not include; and seeing it is not being on it.
 */
export function usePresence(channel: ChannelOf<RegisteredChannels> | null): readonly Member[] | undefined {
  const tidings = useTidings()
  const [seen, setSeen] = useState<{ tidings: TidingsClient; channel: string | null; here: readonly Member[] }>()
  useListener('presence', { channel, seen: (here) => setSeen({ tidings, channel, here }), forget: () => setSeen(undefined) })
  // What was seen before a pause is not shown again after it.
  useEffect(() => () => setSeen(undefined), [tidings, channel])
  // Nor, in the rendering that comes before that effect, for who is in another room.
  return seen?.tidings === tidings && seen.channel === channel ? seen.here : undefined
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
