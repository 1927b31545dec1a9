/**
 * The code that the bindings of all frameworks share. It depends on no framework and loads no client: the application
 * passes the client.
 */
import type { ChannelOptions, Handlers, HandlersByType } from './channels.ts'
import type { maps, TidingsClient } from './contract.ts'
import { TidingsError } from './errors.ts'
import type { ConnectionSnapshot, GapHandler, Presence, ReadyOptions, Stop, SubscriptionState, TidingsEvent, Verb } from './types.ts'

/** A client with any types: the hooks check the types of channels and labels. */
export interface AnyTidings extends Omit<TidingsClient, 'subscribe' | 'on' | 'presence' | typeof maps> {
  readonly subscribe: (...given: any[]) => Stop
  readonly on: (...given: any[]) => Stop
  readonly presence: (...given: any[]) => Stop
}

/** The connection as a server renders it, and as the browser has to render it first to hydrate the page. */
export const IDLE: ConnectionSnapshot = { state: 'idle', attempt: 0 }

/** The state of a subscription that the server has not answered yet. */
export const standing = (channel: string | null): SubscriptionState => ({ status: channel === null ? 'paused' : 'pending', error: undefined })

/** The error of a hook that finds no client. */
export function noProvider(remedy: string): TidingsError {
  return new TidingsError('noProvider', { detail: 'no Tidings client is provided above this component', remedy })
}

/** What one hook currently subscribes to. It may change with every event. */
export interface Wanted extends ChannelOptions {
  /** The channel; `null` pauses the subscription. */
  channel: string | null
  handler?: Handlers<TidingsEvent> | ((presence: Presence) => void)
  /** Called whenever the status of the subscription changes. */
  stands?: (state: SubscriptionState) => void
  /** Called when the user has logged out, because the next user must not see the data shown. */
  forget?: () => void
}

/** The position that one hook has reached on each channel, and the cursor with which it began there. */
export type Heard = Map<string, { since: string | undefined; cursor: string }>

/**
 * Begins something, and begins it again after each `reset()`, which ends all handlers: as soon as the client is used
 * again, and not before, because the user has logged out.
 *
 * @param begin - returns the function that ends it; its argument says whether this is the first time
 * @param forget - called by `reset()`, because the next user must not see the former one's data
 * @returns a function that ends it for good
 */
export function lasting(tidings: AnyTidings, begin: (first: boolean) => () => void, forget?: () => void): () => void {
  // `reset()` sets a new session id.
  let { sessionId } = tidings
  let end: (() => void) | undefined = begin(true)
  const unfollow = tidings.subscribeState(() => {
    if (tidings.sessionId !== sessionId) {
      sessionId = tidings.sessionId
      end?.()
      end = undefined
      forget?.()
    }
    if (tidings.state !== 'idle') end ??= begin(false)
  })
  return () => {
    unfollow()
    end?.()
  }
}

/**
 * Subscribes for a hook to what it wants at the time of the call, until the returned function is called.
 *
 * @param wanted - called at every event, so that the handler of the latest rendering receives it
 * @param heard - kept by the hook, so that a subscription that began at a cursor continues at the position it had
 * reached
 */
export function listen(tidings: AnyTidings, verb: Verb, wanted: () => Wanted, heard: Heard): (() => void) | undefined {
  const { channel, since } = wanted()
  if (channel === null) return undefined
  /** Handles an event; with `presence`, a change of the users who are online, which has no cursor. */
  const handle = (event: TidingsEvent & Presence): void => {
    const { channel: still, handler } = wanted()
    // The component has already rendered another channel and is about to subscribe to it: its handler is not meant for
    // this event.
    if (still !== channel) return
    heard.set(channel, { since, cursor: event.cursor })
    if (typeof handler === 'function') handler(event)
    else if (handler && Object.hasOwn(handler, event.type)) handler[event.type]?.(event)
  }
  const forget = (): void => wanted().forget?.()
  const options: ReadyOptions = {
    onReady: () => wanted().onReady?.(),
    onStatus: (status, error) => {
      const { channel: still, stands, onRefused } = wanted()
      if (still !== channel) return
      stands?.({ status, error })
      // Other errors concern the connection.
      if (error?.channel === channel) onRefused?.(error.code)
    },
  }
  return lasting(tidings, (first) => {
    if (verb !== 'subscribe') return tidings[verb](channel, handle, options)
    const place = heard.get(channel)
    // A new `since` belongs to new data, which include the events received before. After `reset()` no earlier cursor
    // applies.
    const from = !first ? undefined : since !== undefined && place?.since === since ? place.cursor : since
    return tidings.subscribe(channel, handle, {
      ...(from !== undefined && { since: from }),
      onGap: (...gap: Parameters<GapHandler>) => wanted().onGap?.(...gap),
      ...options,
    })
  }, forget)
}

/** Normalises the two ways to call `useEvents`: with a label and handlers, or with handlers alone, for all labels. */
export function labelled<L>(label: L | HandlersByType<TidingsEvent>, handler?: Handlers<TidingsEvent>): [L | '*', Handlers<TidingsEvent>] {
  return handler ? [label as L, handler] : ['*', label as HandlersByType<TidingsEvent>]
}
