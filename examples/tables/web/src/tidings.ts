import { ApiError, call as plainCall, client, type CallOptions } from 'examples-web'
import type { Channels } from './channels.ts'

/** A token that lives for a minute, issued for the session. It is stored only here. */
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
  // Called before each stream and before the token expires; the stream continues with the fresh token.
  token: () => (token = fetchToken()),
  // After five attempts the user decides: "Try now" in the header. (The loss itself counts as the first failure.)
  reconnect: { baseMs: 1_000, capMs: 30_000, maxAttempts: 6 },
})

/** Calls the API with the stream's token, or with a fresh one if that has expired. */
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

/** Forgets the token at logout. */
export function forgetToken(): void {
  token = undefined
}
