/** What the bindings of all frameworks share. They know no framework, and load no client: that comes from the application. */
import type { ChannelOptions, Handlers, HandlersByType } from './channels.ts'
import type { Tidings } from './client.ts'
import { TidingsError } from './errors.ts'
import type { ConnectionSnapshot, Member, Stop, TidingsEvent } from './types.ts'

/** A client of whatever types: what is said of them is checked at the hooks. */
export type AnyTidings = Tidings<any>

/** The connection as a server renders it, and as the browser has to render it once more to take that over. */
export const IDLE: ConnectionSnapshot = { state: 'idle', attempt: 0 }

/** The error of a hook that finds no client. */
export function noProvider(remedy: string): TidingsError {
  return new TidingsError('noProvider', { detail: 'no Tidings client is provided here', remedy })
}

/** How a hook listens. */
export type Verb = 'subscribe' | 'on' | 'presence'

/** What one hook wants at present. It may change with every event. */
export interface Wanted extends ChannelOptions {
  /** `null`: to hear nothing. */
  channel: string | null
  handler?: Handlers<TidingsEvent>
  /** With `presence`, in place of a handler: who is there. */
  seen?: (here: readonly Member[]) => void
}

/** Where one hook stands, over all its subscriptions. */
export interface Heard {
  channel?: string
  position?: string
}

/**
 * Listens for a hook, to what it wants when this is called, until what is returned is called.
 *
 * @param wanted - asked at every event, so that a handler of a later rendering hears it
 * @param heard - kept by the hook, so that one that began from a cursor goes on where it stood
 */
export function listen(tidings: AnyTidings, verb: Verb, wanted: () => Wanted, heard: Heard): Stop | undefined {
  const { channel, since } = wanted()
  if (channel === null) return undefined
  const handle = (event: TidingsEvent): void => {
    const { channel: still, handler } = wanted()
    // Rendered for another channel already, and about to listen there: this event is not what that handler is for.
    if (still !== channel) return
    heard.channel = channel
    heard.position = event.position
    if (typeof handler === 'function') handler(event)
    else if (handler && Object.hasOwn(handler, event.type)) handler[event.type]?.(event)
  }
  if (verb === 'presence') {
    return tidings.presence(channel, ({ here }) => {
      if (wanted().channel === channel) wanted().seen?.(here)
    })
  }
  if (verb === 'on') return tidings.on(channel, handle)
  const from = since !== undefined && heard.channel === channel ? heard.position : since
  return tidings.subscribe(channel, handle, {
    ...(from !== undefined && { since: from }),
    onGap: (channels, reason) => wanted().onGap?.(channels, reason),
  })
}

/** The two ways to call `useEvents`: with a label and handlers for it, or with handlers alone, for all labels. */
export function labelled<L>(label: L | HandlersByType<TidingsEvent>, handler?: Handlers<TidingsEvent>): [L | '*', Handlers<TidingsEvent>] {
  return handler ? [label as L, handler] : ['*', label as HandlersByType<TidingsEvent>]
}
