import { TidingsError } from './errors.ts'
import type { TidingsOptions } from './types.ts'

/** What the server reports about this page's credentials. */
export interface Checked {
  /** The user whose credentials they are; `null` for an anonymous one. */
  readonly userId: string | null
  /**
   * The `Authorization` header that carried the token, where there is one: requests with it are sent as the same user.
   */
  readonly authorization?: string
}

/**
 * Asks the server which user this page's credentials belong to.
 *
 * @throws a {@link TidingsError}: `network`, also after `timeoutMs` milliseconds, or the server's refusal with its
 * `status`
 */
export async function check(options: TidingsOptions, timeoutMs: number): Promise<Checked> {
  const stop = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      stop.abort()
      reject(new TidingsError('network', { detail: `no answer within ${timeoutMs} ms` }))
    }, timeoutMs)
  })
  try {
    // The application's `token` function may never resolve.
    return await Promise.race([ask(options, stop.signal), late])
  } finally {
    clearTimeout(timer)
  }
}

async function ask({ url = '/api/events', credentials = 'same-origin', token }: TidingsOptions, signal: AbortSignal): Promise<Checked> {
  const address = new URL(url, document.baseURI)
  address.pathname = `${address.pathname.replace(/\/$/, '')}/check`
  const given = await token?.()
  const authorization = given ? `Bearer ${given}` : undefined
  let answer: Response
  try {
    answer = await fetch(address, { credentials, cache: 'no-store', signal, headers: authorization ? { Authorization: authorization } : {} })
  } catch (cause) {
    throw new TidingsError('network', { cause })
  }
  const { status } = answer
  const { userId, code } = (await answer.json().catch(() => ({}))) as { userId?: string | null; code?: string }
  if (!answer.ok) throw new TidingsError(code ?? (status === 401 ? 'unauthorized' : 'unexpected'), { status })
  // The server must name the user, because a guess could send requests under a wrong name.
  if (userId === undefined) throw new TidingsError('unexpected', { status, detail: `${address.pathname} did not name the user` })
  return { userId, ...(authorization !== undefined && { authorization }) }
}
