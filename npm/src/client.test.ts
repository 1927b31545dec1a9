import { describe, expect, test, vi } from 'vitest'
import { browser, settle } from '../test/browser.ts'
import { connected, make, stubEach } from '../test/clients.ts'
import { type ConnectionState } from './index.ts'

stubEach()

describe('connecting', () => {
  test('making a client does nothing', async () => {
    const tidings = make()
    await settle()
    expect(browser.streams).toEqual([])
    expect(browser.storage.size).toBe(0)
    expect(tidings.getSnapshot()).toEqual({ state: 'idle', attempt: 0 })
  })

  test('the first handler connects, with its channel and who we are in the URL', async () => {
    const tidings = make()
    tidings.subscribe('timer:u1', () => {})
    await settle()
    expect(browser.streams).toHaveLength(1)
    expect(browser.stream.url).toMatch(/^http:\/\/app\.test\/api\/events\?/)
    expect(browser.stream.query).toMatchObject({
      channels: 'timer:u1',
      deviceId: tidings.deviceId,
      sessionId: tidings.sessionId,
    })
  })

  test('states are told in order, with what a page may show', async () => {
    const states: ConnectionState[] = []
    const tidings = make({ onState: (state) => states.push(state) })
    tidings.subscribe('a', () => {})
    await settle()
    browser.stream.open()
    await settle()
    expect(states).toEqual(['connecting', 'open'])
    expect(tidings.state).toBe('open')
    expect(tidings.connectionId).toBe('n1.1')
    expect(tidings.userId).toBe('u1')
  })

  test('a snapshot is the same object until something changes, and its listeners hear when it does', async () => {
    const tidings = make()
    const before = tidings.getSnapshot()
    const listener = vi.fn()
    const stop = tidings.subscribeState(listener)
    expect(tidings.getSnapshot()).toBe(before)
    tidings.connect()
    await settle()
    expect(tidings.getSnapshot()).not.toBe(before)
    expect(listener).toHaveBeenCalledTimes(1)
    stop()
    browser.stream.open()
    await settle()
    expect(listener).toHaveBeenCalledTimes(1)
  })

  test('an attempt that fails is told, waited for, and forgotten once it is open', async () => {
    const onError = vi.fn()
    const tidings = make({ onError, reconnect: { baseMs: 1, capMs: 1 } })
    const waits: unknown[] = []
    const second = new Promise<void>((done) => {
      tidings.subscribeState(() => {
        if (tidings.state === 'waiting') waits.push(tidings.getSnapshot())
        if (tidings.state === 'connecting' && waits.length > 0) done()
      })
    })
    tidings.connect()
    await settle()
    browser.stream.fail()
    await second
    expect(waits.at(-1)).toMatchObject({ state: 'waiting', attempt: 1, nextRetryMs: expect.any(Number) })
    expect(onError.mock.calls).toEqual([[expect.objectContaining({ code: 'network', willRetry: true })]])
    expect(tidings.getSnapshot().lastError).toBe(onError.mock.calls[0]![0])
    await settle()
    browser.stream.open()
    await settle()
    expect(tidings.getSnapshot()).toEqual({ state: 'open', attempt: 0, connectionId: 'n1.2' })
  })

  test('a stream that is lost is opened anew, from where it stood', async () => {
    const tidings = await connected({ reconnect: { baseMs: 1, capMs: 1 } })
    browser.stream.event('a', 1, { seq: 50 })
    const again = new Promise<void>((done) => tidings.subscribeState(() => tidings.state === 'connecting' && done()))
    browser.stream.fail()
    await settle()
    expect(tidings.connectionId).toBeUndefined()
    await again
    await settle()
    expect(browser.streams).toHaveLength(2)
    expect(browser.stream.query.lastEventId).toBe('1f.50.c0de')
  })

  test('with `reconnect: false` the first failure is the last', async () => {
    const onError = vi.fn()
    const tidings = await connected({ onError, reconnect: false })
    browser.stream.fail()
    await settle()
    expect(tidings.state).toBe('closed')
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ willRetry: false }))
    expect(browser.streams).toHaveLength(1)
  })

  test('`ready` is rejected once the client has given up; `onReady` is called when `connect()` brings it after all', async () => {
    const onReady = vi.fn()
    const tidings = make({ onError: () => {}, reconnect: false })
    const stop = tidings.subscribe('a', () => {}, { onReady })
    const label = tidings.on('timer', () => {}, { onReady })
    await settle()
    browser.stream.fail()
    await expect(stop.ready).rejects.toMatchObject({ code: 'network', willRetry: false })
    await expect(label.ready).rejects.toMatchObject({ code: 'network' })
    expect(onReady).not.toHaveBeenCalled()
    for (let streams = 0; streams < 2; streams++) {
      tidings.connect()
      await settle()
      browser.stream.open()
      await settle()
      browser.stream.fail()
      await settle()
    }
    expect(onReady).toHaveBeenCalledTimes(2)
  })

  test('disconnect keeps the handlers for the next connect', async () => {
    const tidings = make()
    const handler = vi.fn()
    tidings.subscribe('a', handler)
    await settle()
    browser.stream.open()
    tidings.disconnect()
    await settle()
    expect(tidings.state).toBe('closed')
    expect(browser.stream.closed).toBe(true)
    tidings.connect()
    await settle()
    expect(browser.stream.query.channels).toBe('a')
    browser.stream.open()
    browser.stream.event('a', 1)
    expect(handler).toHaveBeenCalledTimes(1)
  })

  test('reset forgets handlers, cursor and session, and keeps the device', async () => {
    const tidings = make()
    const stop = tidings.subscribe('a', () => {})
    const { deviceId, sessionId } = tidings
    tidings.reset()
    await expect(stop.ready).rejects.toMatchObject({ code: 'stopped' })
    expect(tidings.state).toBe('idle')
    expect(tidings.deviceId).toBe(deviceId)
    expect(tidings.sessionId).not.toBe(sessionId)
    tidings.connect()
    await settle()
    expect(browser.stream.query).toEqual({ deviceId, sessionId: tidings.sessionId, protocol: '2', nonce: expect.any(String) })
  })

  test('options reach the stream', async () => {
    const tidings = make({ deviceId: 'kiosk-7', since: '1f.40.1', credentials: 'include' })
    tidings.connect()
    await settle()
    expect(browser.stream.query).toMatchObject({ deviceId: 'kiosk-7', lastEventId: '1f.40.1' })
    expect(browser.stream.withCredentials).toBe(true)
    expect(browser.storage.size).toBe(0)
  })

  test('an option that cannot be used is told, and breaks nothing', async () => {
    const onError = vi.fn()
    const tidings = make({ url: '', onError })
    const stop = tidings.subscribe('a', () => {})
    expect(onError).not.toHaveBeenCalled()
    await expect(stop.ready).rejects.toMatchObject({ code: 'malformedUrl' })
    expect(onError.mock.calls).toEqual([[expect.objectContaining({ code: 'malformedUrl' })]])
    expect(tidings.state).toBe('closed')
    expect(tidings.headers()).toEqual({ 'X-Device-Id': tidings.deviceId, 'X-Session-Id': tidings.sessionId })
  })
})

test('every method may be handed on as it is', async () => {
  const tidings = make()
  const { subscribe, on, presence, connect, disconnect, reset, preload, getSnapshot, subscribeState, subscribeGap, headers } = tidings
  connect()
  for (const stop of [subscribe('a', () => {}), on('b', () => {}), presence('c', () => {}), subscribeState(() => {}), subscribeGap(() => {})]) stop()
  disconnect()
  expect(getSnapshot().state).toBe('closed')
  reset()
  expect(headers()['X-Session-Id']).toBe(tidings.sessionId)
  await preload()
})

test('`fetch` and `headers` may be handed on as they are', async () => {
  const tidings = make()
  const { fetch, headers } = tidings
  const like: typeof globalThis.fetch = fetch
  await like('http://app.test/api/notes')
  expect(browser.calls.at(-1)!.headers.get('x-session-id')).toBe(headers()['X-Session-Id'])
  // The result is valid as the headers of any HTTP client.
  expect(new Headers(headers()).get('x-device-id')).toBe(tidings.deviceId)
})
