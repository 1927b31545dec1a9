/** The warnings for a developer, each printed once. Only the development build has them. */

/** More handlers of one client on one channel than this are a leak: the application forgets to call `stop`. */
const MANY = 100

const warned = new Set<string>()
/** The clients of this page that have an engine, with their `url`. */
const begun = new Map<object, string>()

function warn(text: string): void {
  if (warned.has(text)) return
  warned.add(text)
  console.warn(`tidings: ${text}`)
}

/** Called when a client makes its engine. A server may have a client for each request; a page should have one. */
export function begins(client: object, url: string): void {
  if (typeof document === 'undefined') return
  begun.set(client, url)
  if ([...begun.values()].filter((other) => other === url).length > 1) {
    warn(`this page has several clients of ${url}, each with its own handlers and session; create one client outside components, or use getTidings()`)
  }
}

/** Called when a client is reset or disconnected. */
export function ends(client: object): void {
  begun.delete(client)
}

/** Called with the number of handlers that a client has on a channel. */
export function listens(channel: string, handlers: number): void {
  if (handlers > MANY) warn(`more than ${MANY} handlers listen to ${channel}; call the function that subscribe() returns when a handler is no longer needed`)
}
