import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { browser, settle, stubBrowser } from '../test/browser.ts'
import { Tidings, type TidingsOptions } from './index.ts'

/** The time that the fake server sends in `connected`. */
const CONNECTED = Date.parse('2026-01-02T03:04:05.678Z')
const onError = vi.fn()
let tidings: Tidings
let status: number
let seq: number

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  status = 204
  seq = 100
  onError.mockClear()
  const accepted = (channels: unknown): Response => Response.json({ accepted: channels ?? [], rejected: [] })
  stubBrowser({
    answer: ({ url, body }) => (url.endsWith('/latency') ? new Response(null, { status }) : accepted(body.channels)),
  })
})
afterEach(() => {
  tidings.reset()
  vi.useRealTimers()
})

async function open(options: TidingsOptions): Promise<void> {
  tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource', onError, ...options })
  tidings.subscribe('a', () => {})
  await settle()
  browser.stream.open()
}

/** An event that the server accepted this long after it had sent `connected`. */
function event(acceptedMs: number, channel = 'a'): void {
  const cursor = `1f.${seq++}.c0de`
  const timestamp = new Date(CONNECTED + acceptedMs).toISOString()
  browser.stream.frame('message', { channel, type: 't', timestamp, payload: 1 }, cursor)
}

/** Time passes on a stream with heartbeats. */
async function live(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10_000) {
    await vi.advanceTimersByTimeAsync(Math.min(10_000, ms - passed))
    browser.stream.frame('heartbeat', {})
  }
  await settle()
}

const reports = (): unknown[] => browser.calls.filter(({ url }) => url.endsWith('/latency')).map(({ body }) => body)

test('how long events took to their handlers is told in time, by the server’s clock', async () => {
  await open({ reportLatency: true })
  await live(2_000)
  event(2_000)
  event(1_958)
  event(1_000, 'unheard')
  await live(60_000)
  expect(reports()).toEqual([{ connectionId: 'n1.1', ms: [0, 42] }])
  await live(120_000)
  expect(reports()).toHaveLength(1)
})

test.each([undefined, false, { sample: 0 }] as const)('%o reports nothing', async (reportLatency) => {
  await open(reportLatency === undefined ? {} : { reportLatency })
  event(0)
  await live(120_000)
  expect(browser.calls).toEqual([])
})

test('a flood is one report of a hundred', async () => {
  await open({ reportLatency: { sample: 1 } })
  for (let n = 0; n < 2_000; n++) event(n)
  await live(60_000)
  expect(reports()).toHaveLength(1)
  expect((reports()[0] as { ms: number[] }).ms).toHaveLength(100)
})

test('an event that does not say when it was accepted is measured by nobody', async () => {
  await open({ reportLatency: true })
  browser.stream.frame('message', { channel: 'a', type: 't', timestamp: 'yesterday', payload: 1 }, '1f.50.1')
  await live(60_000)
  expect(browser.calls).toEqual([])
})

test.each([404, 429, 503])('after %i nothing more is told on this stream, nor to the application', async (refused) => {
  status = refused
  await open({ reportLatency: true })
  for (let round = 0; round < 3; round++) {
    event(0)
    await live(60_000)
  }
  expect(reports()).toHaveLength(1)
  expect(onError).not.toHaveBeenCalled()
  expect(tidings.state).toBe('open')
})

test('a page that goes away tells what it has, by a request that outlives it', async () => {
  const listeners = new Map<string, (event: unknown) => void>()
  vi.stubGlobal('addEventListener', (name: string, listener: (event: unknown) => void) => listeners.set(name, listener))
  await open({ reportLatency: true })
  await live(1_000)
  event(900)
  listeners.get('pagehide')!({ type: 'pagehide' })
  await settle()
  expect(reports()).toEqual([{ connectionId: 'n1.1', ms: [100] }])
  expect(browser.calls.at(-1)?.keepalive).toBe(true)
  expect(browser.stream.closed).toBe(true)
})
