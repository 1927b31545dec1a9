import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { browser, settle, stubBrowser } from '../test/browser.ts'
import { fixture } from '../test/fixtures.ts'
import { Tidings, type ConnectionState, type TidingsOptions } from './index.ts'

const clients: Tidings[] = []

function make(options: TidingsOptions = {}): Tidings {
  const tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource', ...options })
  clients.push(tidings)
  return tidings
}

/** A client with one handler, connected. */
async function connected(options: TidingsOptions = {}): Promise<Tidings> {
  const tidings = make(options)
  tidings.connect()
  await settle()
  browser.stream.open()
  await settle()
  return tidings
}

beforeEach(() => void stubBrowser())
afterEach(() => {
  for (const tidings of clients.splice(0)) tidings.reset()
})

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

describe('listening', () => {
  test('an event reaches the handlers of its channel, whole', async () => {
    const tidings = make()
    const handler = vi.fn()
    const other = vi.fn()
    tidings.subscribe('timer:u1', handler)
    tidings.subscribe('timer:u2', other)
    await settle()
    browser.stream.open()
    browser.stream.event('timer:u1', { id: 7 })
    expect(handler.mock.calls).toEqual([
      [
        {
          channel: 'timer:u1',
          type: 'changed',
          cursor: '1f.43.c0de',
          timestamp: '2026-01-02T03:04:05.678Z',
          payload: { id: 7 },
        },
      ],
    ])
    expect(other).not.toHaveBeenCalled()
  })

  test('`on` hears what is addressed to the user, `subscribe` what is published to channels', async () => {
    const tidings = make()
    const on = vi.fn()
    const subscribe = vi.fn()
    tidings.on('timer', on)
    tidings.subscribe('timer', subscribe)
    await settle()
    browser.stream.open()
    browser.stream.event('timer', 'mine', { seq: 43, to: 'user' })
    browser.stream.event('timer', 'ours', { seq: 44 })
    expect(on.mock.calls.map(([event]) => event.payload)).toEqual(['mine'])
    expect(subscribe.mock.calls.map(([event]) => event.payload)).toEqual(['ours'])
  })

  test('ready when the stream has confirmed the channel', async () => {
    const tidings = make()
    const stop = tidings.subscribe('a', () => {})
    const settled = vi.fn()
    void stop.ready.then(settled)
    await settle()
    expect(settled).not.toHaveBeenCalled()
    browser.stream.open()
    await stop.ready
  })

  test('on a live stream, ready only by the frame `subscribed`', async () => {
    const tidings = await connected()
    const stop = tidings.subscribe('a', () => {})
    const settled = vi.fn()
    void stop.ready.then(settled)
    await settle()
    expect(browser.calls).toMatchObject([
      {
        url: 'http://app.test/api/events/subscribe',
        body: { connectionId: 'n1.1', requestId: expect.any(String), channels: ['a'] },
      },
    ])
    expect(settled).not.toHaveBeenCalled()
    const { requestId } = browser.calls[0]!.body
    browser.stream.frame('subscribed', { requestId, channels: ['a'], cursor: '1f.42.9ab3' })
    await stop.ready
  })

  test('ready of `on` when the connection is open', async () => {
    const tidings = make()
    const stop = tidings.on('timer', () => {})
    await settle()
    browser.stream.open()
    await stop.ready
  })

  test('a refusal rejects ready and goes to onError, and raises nothing where nobody looks', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const onError = vi.fn()
    const tidings = make({ onError })
    tidings.subscribe('secret', () => {})
    const looked = tidings.subscribe('secret', () => {})
    await settle()
    browser.stream.open({ rejected: ['secret'] })
    await expect(looked.ready).rejects.toMatchObject({ name: 'TidingsError', code: 'forbidden', channel: 'secret' })
    await settle()
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'forbidden', channel: 'secret' }))
    expect(tidings.getSnapshot().lastError).toBeUndefined()
  })

  test('one who stopped hears nothing more, and a ready still open is rejected', async () => {
    const tidings = make()
    const handler = vi.fn()
    const stop = tidings.subscribe('a', handler)
    tidings.subscribe('a', () => {})
    stop()
    stop()
    await expect(stop.ready).rejects.toMatchObject({ code: 'stopped' })
    await settle()
    browser.stream.open()
    browser.stream.event('a', 1)
    expect(handler).not.toHaveBeenCalled()
  })

  test('a handler may stop itself and listen anew inside its own call', async () => {
    const tidings = await connected()
    const second = vi.fn()
    const stop = tidings.on('a', () => {
      stop()
      tidings.on('a', second)
    })
    browser.stream.event('a', 1, { seq: 43, to: 'user' })
    browser.stream.event('a', 2, { seq: 44, to: 'user' })
    expect(second.mock.calls.map(([event]) => event.payload)).toEqual([2])
  })

  test('a handler that throws goes to onError, and the others still hear', async () => {
    const onError = vi.fn()
    const tidings = await connected({ onError })
    const bug = new Error('mine')
    const other = vi.fn()
    tidings.on('a', () => {
      throw bug
    })
    tidings.on('a', other)
    browser.stream.event('a', 1, { to: 'user' })
    await settle()
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'handlerError', cause: bug }))
    expect(other).toHaveBeenCalledTimes(1)
    expect(tidings.state).toBe('open')
  })

  test('a gap is told to the client and to the subscriptions that it touches', async () => {
    const onGap = vi.fn()
    const tidings = make({ onGap })
    const a = vi.fn()
    const b = vi.fn()
    tidings.subscribe('a', () => {}, { onGap: a })
    tidings.subscribe('b', () => {}, { onGap: b })
    await settle()
    browser.stream.open()
    browser.stream.frame('gap', { channels: ['a'], reason: 'trimmed' })
    browser.stream.frame('gap', { channels: [], addressed: true, reason: 'trimmed' })
    browser.stream.frame('gap', { channels: null, reason: 'epoch' }, '2a.0.0')
    expect(onGap.mock.calls).toEqual([
      [['a'], 'trimmed', false],
      [[], 'trimmed', true],
      [null, 'epoch', true],
    ])
    expect(a).toHaveBeenCalledTimes(2)
    expect(b.mock.calls).toEqual([[null, 'epoch', true]])
  })

  test('`since` is asked for once the stream is there', async () => {
    const tidings = await connected()
    tidings.subscribe('a', () => {}, { since: '1f.40.1' })
    await settle()
    expect(browser.calls.at(-1)?.body).toMatchObject({ channels: ['a'], since: '1f.40.1' })
  })

  const { patterns } = fixture<{ patterns: { valid: string[]; invalid: { text: string }[] } }>('channels')

  test('every valid pattern is asked for', async () => {
    const tidings = make({ onError: (error) => expect.unreachable(error.message) })
    for (const pattern of patterns.valid) tidings.subscribe(pattern, () => {})
    await settle()
    browser.stream.open()
    await settle()
    const posted = browser.calls.flatMap((call) => call.body.channels as string[])
    expect([...browser.stream.query.channels!.split(','), ...posted].sort()).toEqual([...patterns.valid].sort())
  })

  test.each(patterns.invalid)('$text is refused', async ({ text }) => {
    const onError = vi.fn()
    const stop = make({ onError }).subscribe(text, () => {})
    expect(onError).not.toHaveBeenCalled()
    await expect(stop.ready).rejects.toMatchObject({ code: 'malformedChannel', channel: text })
    await settle()
    expect(onError).toHaveBeenCalledTimes(1)
    expect(browser.streams).toEqual([])
  })
})

describe('where nobody listens for errors', () => {
  test('what a handler throws is reported as uncaught', async () => {
    const tidings = await connected()
    tidings.on('a', () => {
      throw new Error('mine')
    })
    await settle()
    const queued = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => {})
    browser.stream.event('a', 1, { to: 'user' })
    expect(queued.mock.calls.at(-1)![0]).toThrow('mine')
  })

  test('one that the client will not get over goes to the console', async () => {
    const console = vi.spyOn(globalThis.console, 'error').mockImplementation(() => {})
    make().subscribe('a::b', () => {})
    await settle()
    expect(console).toHaveBeenCalledWith(expect.objectContaining({ code: 'malformedChannel' }))
  })

  test('one that it will get over does not', async () => {
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
  // Those that have one are not worth a line.
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

describe('golden frames', () => {
  interface Frame {
    name: string
    event: string
    id?: string | null
    data: unknown
  }
  interface Text {
    event: string
    data: string
  }
  const { written, read, ignored, refused } = fixture<{ written: Frame[]; read: Frame[]; ignored: Text[]; refused: Text[] }>('frames')

  test.each(written.filter(({ event }) => event === 'message'))('$name: heard as it was written', async ({ data, id }) => {
    const tidings = make({ onError: (error) => expect.unreachable(error.message) })
    const handler = vi.fn()
    tidings.subscribe('*', handler)
    tidings.on('*', handler)
    await settle()
    browser.stream.open()
    browser.stream.frame('message', data, id ?? '')
    expect(handler.mock.calls).toEqual([[{ cursor: id, ...(data as object) }]])
  })

  const frames = [...written, ...read].filter(({ event }) => event !== 'closing' && event !== 'revoked')

  test.each(frames)('$name: taken without complaint', async ({ event, data, id }) => {
    const onError = vi.fn()
    await connected({ onError })
    browser.stream.frame(event, data, id ?? '')
    await settle()
    expect(onError.mock.calls.filter(([error]) => !error.channel)).toEqual([])
  })

  test.each([...ignored, ...refused])('$event $data: harms nobody', async ({ event, data }) => {
    const tidings = await connected({ onError: () => {} })
    const handler = vi.fn()
    tidings.on('a', handler)
    browser.stream.text(event, data)
    await settle()
    if (tidings.state !== 'open') {
      tidings.connect()
      await settle()
      browser.stream.open()
    }
    browser.stream.event('a', 1, { to: 'user', seq: 90 })
    expect(handler).toHaveBeenCalledTimes(1)
  })
})

test('a gap reaches those who hear all gaps also where `onGap` throws', async () => {
  const onError = vi.fn()
  const heard = vi.fn()
  const thrown = new Error('mine')
  const tidings = await connected({
    onError,
    onGap: () => {
      throw thrown
    },
  })
  tidings.subscribeGap(heard)
  browser.stream.frame('gap', { channels: null, reason: 'trimmed' })
  expect(heard.mock.calls).toEqual([[null, 'trimmed', true]])
  expect(onError.mock.calls).toEqual([[expect.objectContaining({ code: 'handlerError', cause: thrown })]])
})

test('an `unsubscribe` that is refused is told, and rejects nobody who waits', async () => {
  stubBrowser({
    answer: ({ url, body }) =>
      url.endsWith('/unsubscribe')
        ? Response.json({ code: 'originNotAllowed' }, { status: 403 })
        : Response.json({ accepted: body.channels ?? [], rejected: [] }),
  })
  const onError = vi.fn()
  const tidings = make({ onError })
  const left = tidings.subscribe('left', () => {})
  await settle()
  browser.stream.open()
  await left.ready
  const waits = tidings.subscribe('waits', () => {})
  left()
  await settle()
  const { requestId } = browser.calls.find(({ url }) => url.endsWith('/subscribe'))!.body
  await vi.waitFor(() => expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'originNotAllowed' })))
  expect(tidings.getSnapshot()).toEqual({ state: 'open', attempt: 0, connectionId: 'n1.1' })
  browser.stream.frame('subscribed', { requestId, channels: ['waits'], cursor: '1f.42.9ab3' })
  await waits.ready
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
  const { fetch, headers } = make()
  const like: typeof globalThis.fetch = fetch
  await like('http://app.test/api/notes')
  expect(browser.calls.at(-1)!.headers.get('x-session-id')).toBe(headers()['X-Session-Id'])
  // What they give is what any client takes for headers.
  expect(new Headers(headers()).get('x-device-id')).toBe(clients[0]!.deviceId)
})
