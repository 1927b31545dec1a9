import type { ChannelOf, LabelsOf, On, RegisteredChannels, Subscribe } from './channels.ts'
import type { FetchInput, FetchResponse } from './platform.ts'
import type {
  ConnectionSnapshot,
  ConnectionState,
  GapHandler,
  IdentityHeaders,
  PresenceHandler,
  ReadyOptions,
  Stop,
  TidingsRequestInit,
} from './types.ts'

export declare const maps: unique symbol

/**
 * What a {@link Tidings} client does: what providers, hooks and `syncQueries` take, so that a test or a wrapper of your own may stand
 * in its place.
 *
 * @typeParam C - the type of each channel; defaults to what is registered in {@link Register}
 * @typeParam L - the type of each label; likewise
 */
export interface TidingsClient<C extends object = RegisteredChannels, L extends object = LabelsOf<C>> {
  /** For the compiler alone, which tells the maps from it: there is no such property. */
  readonly [maps]?: { channels: C; labels: L }
  /** See {@link Tidings.subscribe}. */
  readonly subscribe: Subscribe<C>
  /** See {@link Tidings.on}. */
  readonly on: On<L>
  /** See {@link Tidings.presence}. */
  readonly presence: (channel: ChannelOf<C>, handler: PresenceHandler, options?: ReadyOptions) => Stop
  /** Where the connection stands. */
  readonly state: ConnectionState
  /** The server's name for the stream, while `open`. */
  readonly connectionId: string | undefined
  /** Who the server says the user is. */
  readonly userId: string | undefined
  /** The browser profile. */
  readonly deviceId: string
  /** This tab; another one after `reset()`. */
  readonly sessionId: string
  /** See {@link Tidings.headers}. */
  readonly headers: () => IdentityHeaders
  /** See {@link Tidings.fetch}. */
  readonly fetch: (input: FetchInput, init?: TidingsRequestInit) => Promise<FetchResponse>
  /** See {@link Tidings.preload}. */
  readonly preload: () => Promise<void>
  /** See {@link Tidings.connect}. */
  readonly connect: () => void
  /** See {@link Tidings.disconnect}. */
  readonly disconnect: () => void
  /** See {@link Tidings.reset}. */
  readonly reset: () => void
  /** The connection now: the same object until something changes. */
  readonly getSnapshot: () => ConnectionSnapshot
  /** See {@link Tidings.subscribeState}. */
  readonly subscribeState: (listener: () => void) => () => void
  /** See {@link Tidings.subscribeGap}. */
  readonly subscribeGap: (listener: GapHandler) => () => void
}
