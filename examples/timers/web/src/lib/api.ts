import { getTidings } from 'tidings'

export type Mode = 'timer' | 'pomodoro'
export type PhaseKind = 'focus' | 'shortBreak' | 'longBreak'

/** Moments are milliseconds since 1970 by the server's clock. */
export interface Timer {
  title: string
  mode: Mode
  startedAt: number
  plannedMinutes: number | null
  deviceId: string | null
  phase: { kind: PhaseKind; round: number; minutes: number; startedAt: number } | null
}

/** What every `timer` event carries. Of two states, the one with the higher revision is newer. */
export interface TimerState {
  revision: number
  timer: Timer | null
}

/** What every request about the timer answers. */
export interface TimerSnapshot extends TimerState {
  serverNow: number
}

/** What every `devices` event carries. Of two, the one seen later is newer. */
export interface Device {
  id: string
  name: string
  online: boolean
  seenAt: number
}

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
