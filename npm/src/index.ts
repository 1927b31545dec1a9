/**
 * Tidings in the browser: changes from the backend, pushed to every open page.
 *
 * ```ts
 * import { Tidings } from 'tidings'
 *
 * const tidings = new Tidings({ url: '/api/events' })
 * const stop = tidings.subscribe<Timer>('timer:u1', (event) => render(event.payload))
 * ```
 *
 * The modules: `client` has the class that you call; `types`, `channels` and `errors` define its arguments and results;
 * `app` holds the one client of an app; the bindings (`react`, `vue`, `svelte`, over `binding`; `query`) are built on
 * `subscribable`; a `listener` is one handler, over all engines; `chunk` loads `engine`, which does all other work, and
 * is the only file that touches Wasm, behind its `guard`.
 *
 * Importing this module does nothing: no Wasm, no `window`, no connection. It is safe in Node and in server rendering.
 *
 * @module
 */
export { configureTidings, getTidings } from './app.ts'
export type { AnyChannels, ChannelOf, EventOn, On, Register, RegisteredChannels, RegisteredLabels, Subscribe } from './channels.ts'
export { Tidings } from './client.ts'
export type { TidingsClient } from './contract.ts'
export { TidingsError, type TidingsErrorCode, type TidingsErrorDetails } from './errors.ts'
export { segment } from './segment.ts'
export type {
  ConnectionSnapshot,
  ConnectionState,
  EventExclusion,
  EventHandler,
  EventOrigin,
  GapHandler,
  GapReason,
  IdentityHeaders,
  MaybeToken,
  Member,
  Presence,
  PresenceHandler,
  ReadyOptions,
  ReconnectOptions,
  Stop,
  SubscribeOptions,
  SubscriptionState,
  SubscriptionStatus,
  TidingsEvent,
  TidingsOptions,
  TidingsRequestInit,
} from './types.ts'
