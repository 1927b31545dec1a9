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
 * The methods of a {@link Tidings} client that providers, hooks and `syncQueries` use, so that a test or a wrapper of
 * your own can take its place.
 *
 * @typeParam C - the type of each channel; defaults to the types registered in {@link Register}
 * @typeParam L - the type of each label; defaults to the types registered there as well
 */
export interface TidingsClient<C extends object = RegisteredChannels, L extends object = LabelsOf<C>> {
  /** For the compiler only, which infers the maps from it: the property does not exist. */
  readonly [maps]?: { channels: C; labels: L }
  /** See {@link Tidings.subscribe}. */
  readonly subscribe: Subscribe<C>
  /** See {@link Tidings.on}. */
  readonly on: On<L>
  /** See {@link Tidings.presence}. */
  readonly presence: (channel: ChannelOf<C>, handler: PresenceHandler, options?: ReadyOptions) => Stop
  /** The state of the connection. */
  readonly state: ConnectionState
  /** The server's name for the stream, while `open`. */
  readonly connectionId: string | undefined
  /** The user id that the server reports. */
  readonly userId: string | undefined
  /** The id of the browser profile. */
  readonly deviceId: string
  /** The id of this tab; a new one after `reset()`. */
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
  /** The current state of the connection: the same object until something changes. */
  readonly getSnapshot: () => ConnectionSnapshot
  /** See {@link Tidings.subscribeState}. */
  readonly subscribeState: (listener: () => void) => () => void
  /** See {@link Tidings.subscribeGap}. */
  readonly subscribeGap: (listener: GapHandler) => () => void
}
