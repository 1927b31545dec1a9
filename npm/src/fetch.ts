import type { IdentityHeaders, TidingsRequestInit } from './types.ts'

/** {@link Tidings.fetch}, with headers that are made only when they are sent. */
export async function identifiedFetch(
  identity: () => IdentityHeaders,
  input: RequestInfo | URL,
  { identify = isSameOrigin(input), ...init }: TidingsRequestInit = {},
): Promise<Response> {
  if (!identify) return fetch(input, init)
  const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined))
  for (const [name, value] of Object.entries(identity())) {
    if (!headers.has(name)) headers.set(name, value)
  }
  return fetch(input, { ...init, headers })
}

function isSameOrigin(input: RequestInfo | URL): boolean {
  // On a server there is no page, and nothing is its own origin.
  if (typeof location === 'undefined') return false
  const base = typeof document === 'undefined' ? location.href : document.baseURI
  return new URL(input instanceof Request ? input.url : input, base).origin === location.origin
}
