import { session, theClient } from './session.ts'

/**
 * A refusal by the server; or no answer (`network`); or an answer that nobody waits for any more (`abandoned`, without
 * a message).
 */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

/** The options of a call, beside its path. */
export interface CallOptions {
  /** Defaults to `GET`, or to `POST` if there is a body. */
  method?: string
  /** Sent as JSON. */
  body?: object
  headers?: Record<string, string>
}

let running = new AbortController()

/** Abandons every request in flight, at logout, so that no late answer shows one user's data to the next. */
export function abandonRequests(): void {
  running.abort()
  running = new AbortController()
}

/** Calls the API. `tidings.fetch` adds the headers that name this device and tab. */
export async function call<T = void>(path: string, { body, headers, ...options }: CallOptions = {}): Promise<T> {
  const { signal } = running
  const json = { 'Content-Type': 'application/json' }
  const init = {
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
    ...options,
    headers: { ...(body ? json : {}), ...headers },
    signal,
  }
  try {
    const response = await theClient().fetch(`../api${path}`, init)
    if (!response.ok) throw await refusal(response, path)
    const isJson = response.headers.get('Content-Type')?.includes('json')
    return (isJson ? await response.json() : undefined) as T
  } catch (error) {
    if (signal.aborted) throw new ApiError('abandoned', 0, '')
    if (error instanceof ApiError) throw error
    throw new ApiError('network', 0, 'The server cannot be reached. Try again in a moment.')
  }
}

/** The error of an answer other than 2xx. */
export async function refusal(response: Response, path = ''): Promise<ApiError> {
  if (response.status === 401 && path !== '/me') session.lost()
  const answer = await response.json().catch(() => ({}))
  const { code = 'unknown', title = `The server answered ${response.status}.` } = answer
  return new ApiError(code, response.status, title)
}
