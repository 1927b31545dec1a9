import { ApiError, call as plainCall, client, type CallOptions } from 'examples-web'
import type { Channels } from './channels.ts'

/** A token for a minute, from the session. It is kept nowhere but here. */
let token: Promise<string> | undefined
const fetchToken = (): Promise<string> =>
  plainCall<{ token: string }>('/tables/token', { method: 'POST' }).then(
    (answer) => answer.token,
    (error) => {
      token = undefined
      throw error
    },
  )

export const tidings = client<Channels>({
  url: '../api/tables/events',
  // Asked for before each stream and before the token ends: the stream goes on under the fresh one.
  token: () => (token = fetchToken()),
  // After five attempts it is the user's turn: "Try now" in the header. (The loss itself is the first failure in a row.)
  reconnect: { baseMs: 1_000, capMs: 30_000, maxAttempts: 6 },
})

/** Asks the API with the same token as the stream; with a fresh one if it has ended. */
export async function call<T = void>(path: string, options: CallOptions = {}): Promise<T> {
  const ask = async (): Promise<T> =>
    plainCall<T>(path, { ...options, headers: { Authorization: `Bearer ${await (token ??= fetchToken())}` } })
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error
    token = undefined
    return ask()
  }
}

/** Forgets the token: at logout. */
export function forgetToken(): void {
  token = undefined
}
