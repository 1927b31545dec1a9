/** What a developer is warned of, once for each text. Only the development build has it. */

/** More handlers of one client on one channel are a leak: somebody forgets to call `stop`. */
const MANY = 100

const warned = new Set<string>()
/** The clients of this page that have begun, with their `url`. */
const begun = new Map<object, string>()

function warn(text: string): void {
  if (warned.has(text)) return
  warned.add(text)
  console.warn(`tidings: ${text}`)
}

/** A client makes its engine. A server may have a client for each request, a page should not. */
export function begins(client: object, url: string): void {
  if (typeof document === 'undefined') return
  begun.set(client, url)
  if ([...begun.values()].filter((other) => other === url).length > 1) {
    warn(`this page has several clients of ${url}, each with handlers and a session of its own; make one outside components, or use getTidings()`)
  }
}

/** A client was reset or disconnected. */
export function ends(client: object): void {
  begun.delete(client)
}

/** A client has so many handlers on a channel. */
export function listens(channel: string, handlers: number): void {
  if (handlers > MANY) warn(`more than ${MANY} handlers listen to ${channel}; call what subscribe() returns when a handler is no longer needed`)
}
