// An engine that has to be given up, because code of the page throws in it.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { browser, settle, stubBrowser } from '../test/browser.ts'
import { Tidings, type TidingsError, type TidingsEvent } from './index.ts'

const errors: TidingsError[] = []
let tidings: Tidings

beforeEach(() => {
  errors.length = 0
  stubBrowser()
  const onError = (error: TidingsError) => void errors.push(error)
  tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource', reconnect: { baseMs: 1, capMs: 1 }, onError })
})
afterEach(() => {
  vi.restoreAllMocks()
  tidings.reset()
})

/** Makes the engine's next look at the clock throw. */
function breakClock(): void {
  const { now } = performance
  performance.now = () => {
    performance.now = now
    throw new Error('there is no time')
  }
}

async function open(since?: string): Promise<{ heard: TidingsEvent[]; stop: () => void }> {
  const heard: TidingsEvent[] = []
  const stop = tidings.subscribe('a', (event) => heard.push(event), { since })
  await settle()
  browser.stream.open()
  await settle()
  return { heard, stop }
}

test('`reset()` ends all the same where the engine breaks by it', async () => {
  const { heard } = await open()
  const { stream } = browser
  vi.spyOn(stream, 'removeEventListener').mockImplementationOnce(() => {
    throw new Error('the page is broken')
  })
  tidings.reset()
  expect(tidings.state).toBe('idle')
  tidings.connect()
  await settle()
  browser.stream.open()
  browser.stream.event('a', 1)
  expect([heard, errors]).toEqual([[], []])
})

test('a handler ends all the same where the engine breaks by it', async () => {
  const { heard, stop } = await open()
  breakClock()
  stop()
  await vi.waitFor(() => expect(errors).toEqual([expect.objectContaining({ code: 'internal', willRetry: true })]))
  await vi.waitFor(() => expect(browser.streams).toHaveLength(2))
  browser.stream.open()
  browser.stream.event('a', 1)
  expect(heard).toEqual([])
})

test('a handler that was told of a gap does not begin with its `since` again', async () => {
  await open('1f.1.c0de')
  const asked = () => browser.calls.flatMap(({ body }) => ('since' in body ? [body.since] : []))
  const { requestId } = browser.calls.find(({ url }) => url.endsWith('/subscribe'))!.body
  browser.stream.frame('subscribed', { requestId, channels: ['a'], cursor: '1f.42.9ab3' })
  browser.stream.frame('gap', { channels: null, reason: 'diverged' }, '1f.40.c0de')
  expect(asked()).toEqual(['1f.1.c0de'])
  breakClock()
  tidings.subscribe('b', () => {})
  await vi.waitFor(() => expect(browser.streams).toHaveLength(2))
  browser.stream.open()
  await settle()
  expect(asked()).toEqual(['1f.1.c0de'])
})

test('`disconnect()` ends all the same where the engine breaks by it', async () => {
  await open()
  vi.spyOn(browser.stream, 'removeEventListener').mockImplementationOnce(() => {
    throw new Error('the page is broken')
  })
  tidings.disconnect()
  await settle()
  expect(tidings.getSnapshot()).toMatchObject({ state: 'closed', lastError: { code: 'internal' } })
  tidings.connect()
  await settle()
  browser.stream.open()
  expect(tidings.state).toBe('open')
})

test("a browser's own exception is `internal`, whatever number it has for a code", async () => {
  vi.spyOn(WebAssembly, 'instantiate').mockRejectedValueOnce(new DOMException('not here', 'SecurityError'))
  tidings.connect()
  await vi.waitFor(() => expect(errors).toEqual([expect.objectContaining({ code: 'internal', cause: expect.any(DOMException) })]))
})

test('another engine connects where one breaks by `connect()` after `disconnect()`', async () => {
  tidings.connect()
  await settle()
  tidings.disconnect()
  // Before the engine can report that it connects.
  vi.spyOn(TextDecoder.prototype, 'decode').mockImplementationOnce(() => {
    throw new Error('nothing can be read')
  })
  await connectsAnew(() => tidings.connect())
})

test('another engine connects where one breaks by the first handler', async () => {
  const stop = tidings.subscribe('a', () => {})
  await Promise.resolve()
  stop()
  await settle()
  // The engine is loaded and idle.
  const add = vi.fn(() => {
    vi.stubGlobal('addEventListener', undefined)
    throw new Error('nobody can listen')
  })
  vi.stubGlobal('addEventListener', add)
  await connectsAnew(() => tidings.subscribe('a', () => {}))
  expect(add).toHaveBeenCalledTimes(1)
})

/** Runs a call in which the engine breaks. */
async function connectsAnew(begin: () => unknown): Promise<void> {
  browser.streams.length = 0
  begin()
  await vi.waitFor(() => expect(errors).toEqual([expect.objectContaining({ code: 'internal', willRetry: true })]))
  await vi.waitFor(() => expect(browser.streams).toHaveLength(1))
  browser.stream.open()
  await settle()
  expect(tidings.state).toBe('open')
}
