// Channels that are subscribed and unsubscribed on an open stream.
import { expect, test } from '../fixtures.ts'
import { connect, hear, heard, received } from '../support/ask.ts'

test('a subscribe on the live stream reaches the server, and events begin', async ({ hub, front, open }) => {
  const page = await open()
  await connect(page)
  await hub.publish({ channel: 'news', payload: 'too early' })
  await hear(page, 'news')
  await hub.publish({ channel: 'news', payload: 1 })
  await expect.poll(() => heard(page, 'news')).toEqual([1])

  expect(front.seen('/api/events')).toHaveLength(1)
  expect(front.seen('/api/events/subscribe').map(({ method }) => method)).toEqual(['POST'])
  expect(hub.logged(' subscribe connection', '"news"')).toHaveLength(1)
})

test('an unsubscribe on the live stream reaches the server, and events end', async ({ hub, front, open }) => {
  const page = await open()
  await page.evaluate(() => Object.assign(globalThis, { stop: globalThis.hear('news') }))
  await hear(page, 'other')
  await hub.publish({ channel: 'news', payload: 'before' })
  await expect.poll(() => heard(page, 'news')).toEqual(['before'])

  await page.evaluate(() => (globalThis as unknown as { stop(): void }).stop())
  await expect.poll(() => hub.logged('unsubscribe connection', '"news"')).toHaveLength(1)
  await hub.publish({ channel: 'news', payload: 'after' }, { channel: 'other', payload: 'later' })
  await expect.poll(() => heard(page, 'other')).toEqual(['later'])

  expect(await received(page)).toEqual(['before', 'later'])
  expect(await heard(page, 'news')).toEqual(['before'])
  expect(front.seen('/api/events')).toHaveLength(1)
  expect(front.seen('/api/events/unsubscribe')).toHaveLength(1)
})

test('a channel that two handlers share is left at the server only with the last of them', async ({ hub, front, open }) => {
  const page = await open()
  await page.evaluate(async () => {
    const stops = { first: globalThis.hear('news', { as: 'first' }), second: globalThis.hear('news', { as: 'second' }) }
    Object.assign(globalThis, stops)
    await stops.first.ready
  })
  await page.evaluate(() => (globalThis as unknown as { first(): void }).first())
  await hub.publish({ channel: 'news', payload: 1 })
  await expect.poll(() => heard(page, 'second')).toEqual([1])
  expect(await heard(page, 'first')).toEqual([])
  expect(front.seen('/api/events/unsubscribe')).toHaveLength(0)

  await page.evaluate(() => (globalThis as unknown as { second(): void }).second())
  await expect.poll(() => hub.logged('unsubscribe connection', '"news"')).toHaveLength(1)
})

test('`since` brings what a channel carried after it, before anything live, to the handler that asked', async ({ hub, open }) => {
  const page = await open()
  const [first] = await hub.publish(...[1, 2, 3].map((payload) => ({ channel: 'news', payload })))
  await hear(page, 'news', { as: 'from now on' })
  await hub.publish({ channel: 'news', payload: 4 })
  await hear(page, 'news', { as: 'from the first on', since: first ?? '' })
  await hub.publish({ channel: 'news', payload: 5 })

  await expect.poll(() => heard(page, 'from the first on')).toEqual([2, 3, 4, 5])
  await expect.poll(() => heard(page, 'from now on')).toEqual([4, 5])
})

test('channels that do not fit the URL are subscribed all the same', async ({ hub, front, open }) => {
  const page = await open()
  const channels = Array.from({ length: 95 }, (_, n) => `long:${'x'.repeat(120)}:${n}`)
  await page.evaluate((channels) => {
    return Promise.all(channels.map((channel) => globalThis.hear(channel).ready)).then(() => {})
  }, channels)
  await hub.publish(...channels.map((channel) => ({ channel, payload: channel })))
  const last = channels.at(-1) ?? ''
  await expect.poll(() => heard(page, last)).toEqual([last])

  const all = await page.evaluate(() => Object.values(told.heard).flat())
  expect(all).toEqual(channels)
  const [stream] = front.seen('/api/events')
  expect(stream?.query.get('channels')?.length).toBeLessThanOrEqual(2_000)
  expect(front.seen('/api/events')).toHaveLength(1)
})

test('more channels than a connection may hold are refused one by one, and the others live', async ({ hub, open }) => {
  const page = await open()
  const refused = await page.evaluate(async () => {
    const stops = Array.from({ length: 101 }, (_, n) => globalThis.hear(`c:${n}`))
    const settled = await Promise.allSettled(stops.map(({ ready }) => ready))
    return settled.flatMap((one, n) => (one.status === 'rejected' ? [[n, one.reason.code]] : []))
  })
  expect(refused).toEqual([[100, 'tooManyChannels']])
  await hub.publish({ channel: 'c:99', payload: 1 })
  await expect.poll(() => heard(page, 'c:99')).toEqual([1])
})

test('what is addressed to the user comes by itself, to `on` and not to `subscribe`', async ({ hub, open }) => {
  const page = await open()
  await hear(page, 'timer')
  await page.evaluate(async () => {
    told.heard.on = []
    await tidings.on('timer', ({ payload }) => told.heard.on?.push(payload)).ready
  })
  await hub.publish(
    { channel: 'timer', payload: 'mine', to: { users: ['ana'] } },
    { channel: 'timer', payload: 'not mine', to: { users: ['bob'] } },
    { channel: 'timer', payload: 'everybody’s' },
  )
  await expect.poll(() => heard(page, 'timer')).toEqual(['everybody’s'])
  expect(await heard(page, 'on')).toEqual(['mine'])
})
