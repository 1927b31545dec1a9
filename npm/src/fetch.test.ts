import { beforeEach, expect, test, vi } from 'vitest'
import { stubBrowser } from '../test/browser.ts'
import { Tidings } from './index.ts'

const tidings = new Tidings({ deviceId: 'd1' })
let sent: ReturnType<typeof vi.fn<typeof fetch>>

beforeEach(() => {
  stubBrowser()
  sent = vi.fn<typeof fetch>(async () => new Response())
  vi.stubGlobal('fetch', sent)
})

/** The headers of the one request that was sent. */
function headers(): Record<string, string> {
  expect(sent).toHaveBeenCalledTimes(1)
  return Object.fromEntries(new Headers(sent.mock.calls[0]![1]?.headers))
}

const identity = () => ({ 'x-device-id': 'd1', 'x-session-id': tidings.sessionId })

test.each(['/api/timers', 'api/timers', 'http://app.test/api/timers', new URL('http://app.test/')])(
  'a request to the own origin says where it comes from: %s',
  async (input) => {
    await tidings.fetch(input, { method: 'POST', body: '{}' })
    expect(headers()).toEqual(identity())
    expect(sent.mock.calls[0]).toMatchObject([input, { method: 'POST', body: '{}' }])
  },
)

test.each(['https://app.test/', 'http://app.test:8080/', '//other.test/api', 'http://other.test/'])(
  'a request to another origin does not: %s',
  async (input) => {
    await tidings.fetch(input)
    expect(headers()).toEqual({})
  },
)

test('it does where asked, and does not where asked', async () => {
  await tidings.fetch('http://other.test/', { identify: true })
  expect(headers()).toEqual(identity())
  sent.mockClear()
  await tidings.fetch('/', { identify: false })
  expect(headers()).toEqual({})
})

test('headers that are there already stay', async () => {
  await tidings.fetch('/', { headers: { 'X-Device-Id': 'mine', 'Content-Type': 'application/json' } })
  expect(headers()).toEqual({ ...identity(), 'x-device-id': 'mine', 'content-type': 'application/json' })
})

test('the headers of a Request stay', async () => {
  await tidings.fetch(new Request('http://app.test/', { headers: { Accept: 'text/plain' } }))
  expect(headers()).toEqual({ ...identity(), accept: 'text/plain' })
})

test('where there is no page, only requests that are asked to say it', async () => {
  vi.stubGlobal('location', undefined)
  vi.stubGlobal('origin', undefined)
  await tidings.fetch('http://app.test/')
  expect(headers()).toEqual({})
})
