import { describe, expect, test, vi } from 'vitest'
import { browser, settle, stubBrowser } from '../test/browser.ts'
import { connected, make, stubEach } from '../test/clients.ts'
import { fixture } from '../test/fixtures.ts'

stubEach()

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

  test('a stopped handler is no longer called, and its pending `ready` is rejected', async () => {
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
