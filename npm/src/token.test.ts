import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Answer, browser, settle, stubBrowser } from '../test/browser.ts'
import { Tidings, type TidingsError, type TidingsOptions } from './index.ts'

let tidings: Tidings
const errors: TidingsError[] = []

/** A server that issues tickets, and refuses the requests that `refuse` selects. */
function server(refuse: (url: string, bearer: string | null) => Response | undefined = () => undefined): void {
  const answer: Answer = ({ url, headers, body }) =>
    refuse(url, headers.get('authorization')) ??
    Response.json(url.endsWith('/ticket') ? { ticket: `t${browser.calls.length}`, expiresIn: 30 } : { accepted: body.channels ?? [], rejected: [] })
  stubBrowser({ answer })
}

async function connect(options: TidingsOptions): Promise<void> {
  tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource', onError: (error) => errors.push(error), ...options })
  tidings.connect()
  await settle()
}

const problem = (status: number, code: string, headers = {}): Response => Response.json({ status, code, title: code }, { status, headers })
const paths = (): string[] => browser.calls.map(({ url }) => new URL(url).pathname)

beforeEach(() => {
  errors.length = 0
  server()
})
afterEach(() => tidings.reset())

test.each([() => 'secret', async () => 'secret'])('a token is changed into a ticket, and stands in no URL', async (token) => {
  await connect({ token })
  expect(paths()).toEqual(['/api/events/ticket'])
  expect(browser.calls[0]?.headers.get('authorization')).toBe('Bearer secret')
  expect(browser.calls[0]?.body).toEqual({ deviceId: tidings.deviceId })
  expect(browser.stream.query.ticket).toBe('t1')
  browser.stream.open()
  tidings.subscribe('a', () => {})
  await settle()
  expect(browser.calls.at(-1)?.headers.get('authorization')).toBe('Bearer secret')
  for (const { url } of [...browser.calls, ...browser.streams]) expect(url).not.toContain('secret')
})

test('an anonymous caller needs no ticket', async () => {
  await connect({ token: () => undefined })
  expect(browser.calls).toEqual([])
  expect(browser.stream.query.ticket).toBeUndefined()
})

test('a token that throws is told, and asked for again', async () => {
  const token = vi.fn().mockRejectedValueOnce(new Error('offline')).mockResolvedValue('secret')
  await connect({ token, reconnect: { baseMs: 1, capMs: 1 } })
  expect(errors[0]).toMatchObject({ code: 'tokenFailed', detail: 'Error: offline', willRetry: true })
  await vi.waitFor(() => expect(browser.streams).toHaveLength(1))
})

test('a refused token is asked for once more, and the other one opens the stream', async () => {
  server((_, bearer) => (bearer === 'Bearer old' ? problem(401, 'credentialsExpired') : undefined))
  const token = vi.fn().mockReturnValueOnce('old').mockReturnValue('new')
  await connect({ token })
  expect(paths()).toEqual(['/api/events/ticket', '/api/events/ticket'])
  expect(browser.streams).toHaveLength(1)
  expect(errors).toEqual([])
})

test.each([
  [401, 'credentialsMissing'],
  [401, 'credentialsExpired'],
  [401, 'credentialsInvalid'],
  [403, 'forbidden'],
  [429, 'tooManyConnections'],
  [503, 'full'],
])('a ticket that is refused by %i %s is told so, once', async (status, code) => {
  server(() => problem(status, code, { 'retry-after': '7' }))
  await connect({ token: () => 'secret' })
  expect(errors).toMatchObject([{ code, status, willRetry: true }])
  expect(paths()).toEqual(['/api/events/ticket'])
  expect(tidings.getSnapshot().nextRetryMs).toBe(status === 429 || status === 503 ? 7_000 : 30_000)
})

test('an error says nothing of the token', async () => {
  server((url) => (url.endsWith('/ticket') ? problem(401, 'credentialsInvalid') : undefined))
  await connect({ token: () => 'secret' })
  expect(JSON.stringify([errors, errors.map(({ message, stack }) => [message, stack])])).not.toContain('secret')
})

test('a channel that is taken away is told to its subscription', async () => {
  const onRevoked = vi.fn()
  await connect({ token: () => 'secret' })
  const stop = tidings.subscribe('a', () => {}, { onRevoked })
  browser.stream.open()
  await settle()
  browser.stream.frame('subscribed', { requestId: browser.calls.at(-1)?.body.requestId, channels: ['a'], cursor: '1f.42.9ab3' })
  await stop.ready
  browser.stream.frame('revoked', { channels: ['a'], code: 'forbidden' })
  expect(onRevoked.mock.calls).toEqual([['forbidden']])
  expect(errors).toMatchObject([{ code: 'forbidden', channel: 'a' }])
})

test('another origin that answers nobody but those who do not read is CORS', async () => {
  for (const [reachable, code] of [
    [true, 'cors'],
    [false, 'network'],
  ] as const) {
    errors.length = 0
    stubBrowser({
      answer: ({ mode }) => {
        if (reachable && mode === 'no-cors') return new Response()
        throw new TypeError('Failed to fetch')
      },
    })
    await connect({ url: 'http://other.test/api/events', token: () => 'secret' })
    expect(errors).toMatchObject([{ code, willRetry: true }])
    const url = `http://other.test/api/events/check?deviceId=${tidings.deviceId}&protocol=2`
    expect(browser.calls.at(-1)).toMatchObject({ url, mode: 'no-cors' })
    expect(browser.calls.at(-1)?.headers.has('authorization')).toBe(false)
    tidings.reset()
  }
})

test('on the page’s own origin there is nothing to probe', async () => {
  stubBrowser({
    answer: () => {
      throw new TypeError('Failed to fetch')
    },
  })
  await connect({})
  browser.stream.fail()
  await settle()
  expect(paths()).toEqual(['/api/events/check'])
  expect(errors).toMatchObject([{ code: 'network' }])
})

test('a token that was asked for before `reset()`, and comes late, does not take the place of the next user’s', async () => {
  const given: ((token: string) => void)[] = []
  await connect({ token: () => new Promise<string>((give) => given.push(give)) })
  tidings.reset()
  tidings.subscribe('a', () => {})
  await settle()
  expect(given).toHaveLength(2)
  given[1]!("bob's")
  await settle()
  browser.stream.open()
  given[0]!("ana's")
  await settle()
  tidings.subscribe('b', () => {})
  await settle()
  expect(paths().at(-1)).toBe('/api/events/subscribe')
  expect(browser.calls.at(-1)?.headers.get('authorization')).toBe("Bearer bob's")
})
