/** What the bindings of all frameworks share. They know no framework, and load no client: that comes from the application. */
import type { ChannelOptions, Handlers, HandlersByType } from './channels.ts'
import type { maps, TidingsClient } from './contract.ts'
import { TidingsError } from './errors.ts'
import type { ConnectionSnapshot, GapHandler, Member, Presence, ReadyOptions, Stop, SubscriptionState, TidingsEvent, Verb } from './types.ts'

/** A client of whatever types: what is said of them is checked at the hooks. */
export interface AnyTidings extends Omit<TidingsClient, 'subscribe' | 'on' | 'presence' | typeof maps> {
  readonly subscribe: (...given: any[]) => Stop
  readonly on: (...given: any[]) => Stop
  readonly presence: (...given: any[]) => Stop
}

/** The connection as a server renders it, and as the browser has to render it once more to take that over. */
export const IDLE: ConnectionSnapshot = { state: 'idle', attempt: 0 }

/** Where a subscription stands of which the server has said nothing yet. */
export const standing = (channel: string | null): SubscriptionState => ({ status: channel === null ? 'paused' : 'pending', error: undefined })

/** The error of a hook that finds no client. */
export function noProvider(remedy: string): TidingsError {
  return new TidingsError('noProvider', { detail: 'no Tidings client is provided here', remedy })
}

/** What one hook wants at present. It may change with every event. */
export interface Wanted extends ChannelOptions {
  /** `null`: to hear nothing. */
  channel: string | null
  handler?: Handlers<TidingsEvent>
  /** With `presence`, in place of a handler: who is there. */
  seen?: (here: readonly Member[]) => void
  /** Where it stands, whenever that changes. */
  stands?: (state: SubscriptionState) => void
  /** The user has logged out: what is shown is not the next one's. */
  forget?: () => void
}

/** Where one hook stands on each channel that it has listened to, and with what cursor it began there. */
export type Heard = Map<string, { since: string | undefined; cursor: string }>

/**
 * Begins something, and begins it anew after each `reset()`, which ends all handlers: as soon as the client is used again, and
 * not before, for the user has logged out.
 *
 * @param begin - returns what ends it; told whether it is the first time
 * @param forget - called by `reset()`, which the next user must not see through
 * @returns a function that ends it for good
 */
export function lasting(tidings: AnyTidings, begin: (first: boolean) => () => void, forget?: () => void): () => void {
  // `reset()` makes a new one.
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
 * Listens for a hook, to what it wants when this is called, until what is returned is called.
 *
 * @param wanted - asked at every event, so that a handler of a later rendering hears it
 * @param heard - kept by the hook, so that one that began from a cursor goes on where it stood
 */
export function listen(tidings: AnyTidings, verb: Verb, wanted: () => Wanted, heard: Heard): (() => void) | undefined {
  const { channel, since } = wanted()
  if (channel === null) return undefined
  const handle = (event: TidingsEvent): void => {
    const { channel: still, handler } = wanted()
    // Rendered for another channel already, and about to listen there: this event is not what that handler is for.
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
      // Else it is about the connection.
      if (error?.channel === channel) onRefused?.(error.code)
    },
  }
  return lasting(tidings, (first) => {
    if (verb === 'presence') {
      const seen = ({ here }: Presence): void => {
        if (wanted().channel === channel) wanted().seen?.(here)
      }
      return tidings.presence(channel, seen, options)
    }
    if (verb === 'on') return tidings.on(channel, handle, options)
    const place = heard.get(channel)
    // Another cursor is that of other data, which holds what was heard before it. And after a `reset()` none is ours.
    const from = !first ? undefined : since !== undefined && place?.since === since ? place.cursor : since
    return tidings.subscribe(channel, handle, {
      ...(from !== undefined && { since: from }),
      onGap: (...gap: Parameters<GapHandler>) => wanted().onGap?.(...gap),
      ...options,
    })
  }, forget)
}

/** The two ways to call `useEvents`: with a label and handlers for it, or with handlers alone, for all labels. */
export function labelled<L>(label: L | HandlersByType<TidingsEvent>, handler?: Handlers<TidingsEvent>): [L | '*', Handlers<TidingsEvent>] {
  return handler ? [label as L, handler] : ['*', label as HandlersByType<TidingsEvent>]
}
