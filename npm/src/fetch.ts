import { failure } from './failures.ts'
import type { FetchInput, FetchRequest, FetchResponse } from './platform.ts'
import type { IdentityHeaders, TidingsRequestInit } from './types.ts'

/** Sends a request, now or later. */
export type Sender = (request: FetchRequest) => Promise<FetchResponse>

/** {@link Tidings.fetch}, whose headers are made only when they are sent. */
export async function identifiedFetch(
  identity: () => IdentityHeaders,
  input: FetchInput,
  { identify = isSameOrigin(input), offline, ...init }: TidingsRequestInit = {},
  sender?: Sender,
): Promise<FetchResponse> {
  if (identify) {
    const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined))
    for (const [name, value] of Object.entries(identity())) {
      if (!headers.has(name)) headers.set(name, value)
    }
    init.headers = headers
  }
  if (offline !== 'queue') return fetch(input, init)
  if (!sender) throw failure('noOfflineQueue')
  const request = new Request(input, init)
  return ['GET', 'HEAD'].includes(request.method) ? fetch(request) : sender(request)
}

function isSameOrigin(input: RequestInfo | URL): boolean {
  // On a server there is no page, so every URL is of another origin. Not `location.origin`: a `srcdoc` frame has none.
  const { origin } = globalThis
  if (origin === undefined) return false
  const base = typeof document === 'undefined' ? location.href : document.baseURI
  return new URL(input instanceof Request ? input.url : input, base).origin === origin
}
