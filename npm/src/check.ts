import { TidingsError } from './errors.ts'
import type { TidingsOptions } from './types.ts'

/** What the server says of this page's credentials. */
export interface Checked {
  /** Whose they are; `null`: of nobody in particular. */
  readonly userId: string | null
  /** The header that carried them, where that is a token: what is sent with it is sent as the same user. */
  readonly authorization?: string
}

/**
 * Asks the server who this page is at present.
 *
 * @throws a {@link TidingsError}: `network`, also after so many milliseconds, or the server's refusal with its `status`
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
    // The token is the application's, and may never come.
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
  // Who it is has to be said, not to be guessed.
  if (userId === undefined) throw new TidingsError('unexpected', { status, detail: `${address.pathname} did not say who the user is` })
  return { userId, ...(authorization !== undefined && { authorization }) }
}
