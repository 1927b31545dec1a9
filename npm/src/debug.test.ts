import { describe, expect, test, vi } from 'vitest'
import { browser, settle, stubBrowser } from '../test/browser.ts'
import { connected, make, stubEach } from '../test/clients.ts'

stubEach()

describe('where nobody listens for errors', () => {
  test('an exception of a handler is reported as uncaught', async () => {
    const tidings = await connected()
    tidings.on('a', () => {
      throw new Error('mine')
    })
    await settle()
    const queued = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => {})
    browser.stream.event('a', 1, { to: 'user' })
    expect(queued.mock.calls.at(-1)![0]).toThrow('mine')
  })

  test('an error that the client does not recover from goes to the console', async () => {
    const console = vi.spyOn(globalThis.console, 'error').mockImplementation(() => {})
    make().subscribe('a::b', () => {})
    await settle()
    expect(console).toHaveBeenCalledWith(expect.objectContaining({ code: 'malformedChannel' }))
  })

  test('an error that the client recovers from does not', async () => {
    const console = vi.spyOn(globalThis.console, 'error').mockImplementation(() => {})
    const tidings = make()
    tidings.connect()
    await settle()
    browser.stream.fail()
    await settle()
    expect(tidings.getSnapshot().lastError).toMatchObject({ willRetry: true })
    expect(console).not.toHaveBeenCalled()
  })
})

test('debug logs readable lines', async () => {
  const info = vi.spyOn(console, 'info').mockImplementation(() => {})
  const tidings = make({ debug: true, onError: () => {} })
  const stop = tidings.subscribe('a', () => {})
  tidings.subscribe('secret', () => {})
  tidings.on('timer', () => {})
  await settle()
  browser.stream.open({ rejected: ['secret'] })
  await settle()
  browser.stream.frame('gap', { channels: ['a'], reason: 'trimmed' })
  browser.stream.event('a', 1)
  browser.stream.event('timer', 1, { to: 'user', seq: 44 })
  browser.stream.event('stray', 1, { to: 'device', seq: 45 })
  stop()
  browser.stream.frame('closing', { reason: 'drain', retryMs: 1 })
  await vi.waitFor(() => expect(tidings.getSnapshot().nextRetryMs).toBeDefined())
  tidings.disconnect()
  const lines = info.mock.calls.map(([line]) => String(line))
  for (const line of [
    /^tidings: subscribe a$/,
    /^tidings: connecting$/,
    /^tidings: connected \(n1\.1\)$/,
    /^tidings: subscribed a$/,
    /^tidings: hearing timer$/,
    /^tidings: error forbidden.* on secret$/,
    /^tidings: gap \(trimmed\) on a$/,
    /^tidings: event changed on stray has no handler in any tab: it was sent to this device, so on\('stray'\) hears it$/,
    /^tidings: unsubscribed a$/,
    /^tidings: closing \(drain\)$/,
    /^tidings: reconnecting in \d+ ms, attempt 1$/,
    /^tidings: closed$/,
  ]) {
    expect(lines).toContainEqual(expect.stringMatching(line))
  }
  // Events with a handler are not logged.
  expect(lines.filter((line) => line.includes('no handler'))).toHaveLength(1)
})

test('debug tells the status of a refusal', async () => {
  const headers = { 'Content-Type': 'application/problem+json' }
  stubBrowser({ answer: () => new Response(JSON.stringify({ code: 'forbidden' }), { status: 403, headers }) })
  const info = vi.spyOn(console, 'info').mockImplementation(() => {})
  const tidings = make({ debug: true, onError: () => {} })
  tidings.connect()
  await settle()
  browser.stream.fail()
  const line = expect.stringMatching(/^tidings: error forbidden.* \(status 403\)/)
  await vi.waitFor(() => expect(info.mock.calls).toContainEqual([line]))
})
