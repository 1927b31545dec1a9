import { getTidings } from 'tidings'

export type { Device, Mode, Phase, PhaseKind, Timer, TimerSnapshot, TimerState } from './channels'

/** A refusal by the server; or no answer (`network`); or one that nobody waits for any more (`abandoned`, no message). */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

/** What happens when the server no longer knows who we are; set by the account. */
export const session = { lost: (): void => {} }

let running = new AbortController()

/** Gives up every request under way: at logout, so that no late answer shows one user's data to the next. */
export function abandonRequests(): void {
  running.abort()
  running = new AbortController()
}

/** `GET`, or `POST` where there is a body. The headers that name this device and tab are added by `tidings.fetch`. */
export async function call<T>(path: string, body?: object): Promise<T> {
  const { signal } = running
  const init: RequestInit =
    body ? { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal } : { signal }
  let response: Response
  let answer: any
  try {
    response = await getTidings().fetch(`/api${path}`, init)
    answer = response.headers.get('Content-Type')?.includes('json') ? await response.json() : undefined
  } catch {
    if (signal.aborted) throw new ApiError('abandoned', 0, '')
    throw new ApiError('network', 0, 'The server cannot be reached. Try again in a moment.')
  }
  if (response.ok) return answer
  if (response.status === 401 && path !== '/me') session.lost()
  const { code = 'unknown', title = `The server answered ${response.status}.` } = answer ?? {}
  throw new ApiError(code, response.status, title)
}
