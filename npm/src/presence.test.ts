import { beforeEach, describe, expect, test, vi } from 'vitest'
import { browser, settle, stubBrowser } from '../test/browser.ts'
import { Tidings } from './index.ts'
import { roster } from './presence.ts'
import type { Member, Presence } from './types.ts'

const [ana, bob, cid]: Member[] = [
  { userId: 'ana', deviceId: 'd1' },
  { userId: 'bob', deviceId: null },
  { userId: 'cid', deviceId: 'd1' },
] as const

describe('a roster', () => {
  const told = vi.fn<(presence: Presence) => void>()
  beforeEach(() => told.mockClear())
  const last = (): Presence | undefined => told.mock.calls.at(-1)?.[0]

  test('is what the list says, changed by who came and left', () => {
    const hear = roster(told)
    hear({ here: [ana!] })
    expect(last()).toEqual({ here: [ana], join: [ana], leave: [], asked: 1, answered: 1 })
    hear({ join: [bob!, cid!], leave: [ana!] })
    expect(last()).toEqual({ here: [bob, cid], join: [bob, cid], leave: [ana], asked: 1, answered: 1 })
    expect(told).toHaveBeenCalledTimes(2)
  })

  test('begins with a list, and is not changed before it', () => {
    const hear = roster(told)
    hear({ join: [bob!] })
    expect(told).not.toHaveBeenCalled()
    hear({ here: [ana!, bob!] })
    expect(last()).toEqual({ here: [ana, bob], join: [ana, bob], leave: [], asked: 1, answered: 1 })
  })

  test('tells that nobody is there', () => {
    roster(told)({ here: [] })
    expect(last()).toEqual({ here: [], join: [], leave: [], asked: 1, answered: 1 })
  })

  test('tells of a list that comes anew what differs, and nothing if nothing does', () => {
    const hear = roster(told)
    hear({ here: [ana!, bob!] })
    hear({ here: [{ ...ana! }, { ...bob! }] })
    expect(told).toHaveBeenCalledTimes(1)
    hear({ here: [ana!, cid!] })
    expect(last()).toEqual({ here: [ana, cid], join: [cid], leave: [bob], asked: 1, answered: 1 })
  })

  test('knows two devices of one user, and the one without a device, apart', () => {
    const hear = roster(told)
    const devices = [ana!, { userId: 'ana', deviceId: 'd2' }, { userId: 'ana', deviceId: null }]
    hear({ here: devices })
    hear({ leave: [{ userId: 'ana', deviceId: 'd2' }] })
    expect(last()?.here).toEqual([devices[0], devices[2]])
  })

  test('reports how many servers were asked and have answered, also where nobody came or left', () => {
    const hear = roster(told)
    hear({ here: [ana!], asked: 3, answered: 2 })
    expect(last()).toEqual({ here: [ana], join: [ana], leave: [], asked: 3, answered: 2 })
    hear({ join: [bob!] })
    expect(last()).toMatchObject({ here: [ana, bob], asked: 3, answered: 2 })
    hear({ here: [ana!, bob!], asked: 3, answered: 3 })
    expect(last()).toEqual({ here: [ana, bob], join: [], leave: [], asked: 3, answered: 3 })
    hear({ here: [ana!, bob!], asked: 3, answered: 3 })
    expect(told).toHaveBeenCalledTimes(3)
  })

  test('is not changed by what it does not know', () => {
    const hear = roster(told)
    hear({ here: [ana!] })
    hear({ leave: [bob!], join: [ana!] })
    expect(told).toHaveBeenCalledTimes(1)
  })
})

describe('presence', () => {
  beforeEach(() => void stubBrowser())
  const url = 'http://app.test/api/events'
  const watched = () => browser.calls.filter(({ url }) => url.endsWith('/presence')).map(({ body }) => body.channels)

  test('is asked for on every stream, and the list of the new one takes the place of the old one’s', async () => {
    const tidings = new Tidings({ url, transport: 'eventsource', reconnect: { baseMs: 0, capMs: 0 } })
    const told = vi.fn<(presence: Presence) => void>()
    const { ready } = tidings.presence('room:7', told)
    await settle()
    expect(browser.stream.query.channels).toBeUndefined()
    browser.stream.open({ aliveMs: 30_000 })
    await settle()
    expect(watched()).toEqual([['room:7']])
    await ready
    browser.stream.frame('presence', { channel: 'room:7', here: [ana, bob] })
    browser.stream.frame('presence', { channel: 'room:8', here: [] })
    expect(told).toHaveBeenCalledTimes(1)

    browser.stream.fail()
    await vi.waitFor(() => expect(browser.streams).toHaveLength(2))
    browser.stream.open({ aliveMs: 30_000 })
    await settle()
    expect(watched()).toEqual([['room:7'], ['room:7']])
    browser.stream.frame('presence', { channel: 'room:7', here: [bob] })
    expect(told.mock.calls.at(-1)?.[0]).toEqual({ here: [bob], join: [], leave: [ana], asked: 1, answered: 1 })
    tidings.reset()
  })

  test('moves no cursor, and is told to nobody who stopped', async () => {
    const tidings = new Tidings({ url, transport: 'eventsource', reconnect: { baseMs: 0, capMs: 0 } })
    const told = vi.fn()
    const stop = tidings.presence('room:7', told)
    await settle()
    browser.stream.open({ aliveMs: 30_000 })
    stop()
    browser.stream.frame('presence', { channel: 'room:7', here: [ana] }, '1f.99.1')
    await settle()
    expect(told).not.toHaveBeenCalled()
    await expect(stop.ready).rejects.toMatchObject({ code: 'stopped' })
    browser.stream.fail()
    await vi.waitFor(() => expect(browser.streams).toHaveLength(2))
    expect(browser.stream.query.lastEventId).toBe('1f.42.9ab3')
    tidings.reset()
  })

  test('is refused where there is no grant, and where the server has none', async () => {
    stubBrowser({ answer: () => Response.json({ accepted: [], rejected: [{ channel: 'room:7', code: 'forbidden' }] }) })
    const onError = vi.fn()
    const tidings = new Tidings({ url, transport: 'eventsource', onError })
    const { ready } = tidings.presence('room:7', () => {})
    await settle()
    browser.stream.open({ aliveMs: 30_000 })
    await expect(ready).rejects.toMatchObject({ code: 'forbidden', channel: 'room:7' })
    expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: 'forbidden', channel: 'room:7' })
    tidings.reset()

    const other = new Tidings({ url, transport: 'eventsource', onError })
    const off = other.presence('room:7', () => {})
    await settle()
    browser.stream.open()
    await expect(off.ready).rejects.toMatchObject({ code: 'presenceOff' })
    other.reset()
  })

  test('that is taken away is told, and nothing more comes', async () => {
    const onError = vi.fn()
    const tidings = new Tidings({ url, transport: 'eventsource', onError })
    const told = vi.fn()
    tidings.presence('room:7', told)
    await settle()
    browser.stream.open({ aliveMs: 30_000 })
    await settle()
    browser.stream.frame('presence', { channel: 'room:7', here: [ana] })
    browser.stream.frame('presence', { channel: 'room:7', code: 'forbidden' })
    browser.stream.frame('presence', { channel: 'room:7', join: [bob] })
    expect(told).toHaveBeenCalledTimes(1)
    expect(onError.mock.calls).toMatchObject([[{ code: 'forbidden', channel: 'room:7' }]])
    tidings.reset()
  })

  test('a frame that cannot be read is told, and harms nobody', async () => {
    const onError = vi.fn()
    const tidings = new Tidings({ url, transport: 'eventsource', onError })
    tidings.presence('room:7', () => {})
    await settle()
    browser.stream.open({ aliveMs: 30_000 })
    browser.stream.text('presence', '{')
    browser.stream.frame('presence', { channel: 7, code: 'forbidden' })
    expect(onError.mock.calls.map(([{ code }]) => code)).toEqual(['malformedFrame', 'malformedFrame'])
    browser.stream.frame('presence', {})
    browser.stream.frame('presence', { channel: 'room:7', here: 7 })
    expect(onError.mock.calls.slice(2).map(([{ code }]) => code)).toEqual(['handlerError'])
    expect(tidings.state).toBe('open')
    tidings.reset()
  })
})
