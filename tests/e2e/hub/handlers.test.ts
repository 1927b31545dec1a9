// Handlers that throw, in a real browser with the real Wasm.
import { expect, test } from '../fixtures.ts'
import { hear, heard, toldTo } from '../support/ask.ts'

test('a handler that throws is told, and harms neither the others nor itself', async ({ hub, open }) => {
  const page = await open()
  await page.evaluate(() => {
    told.heard.thrower = []
    tidings.subscribe('news', ({ payload }) => {
      told.heard.thrower?.push(payload)
      throw new Error('mine')
    })
  })
  await hear(page, 'news')
  await hub.publish({ channel: 'news', payload: 1 }, { channel: 'news', payload: 2 })
  await expect.poll(() => heard(page, 'news')).toEqual([1, 2])
  expect(await heard(page, 'thrower')).toEqual([1, 2])
  expect((await toldTo(page)).errors.map(({ code }) => code)).toEqual(['handlerError', 'handlerError'])
})

test('a handler may end itself, and subscribe anew, inside its own call', async ({ hub, open }) => {
  const page = await open()
  await page.evaluate(async () => {
    told.heard.once = []
    const stop = tidings.subscribe('news', ({ payload }) => {
      told.heard.once?.push(payload)
      stop()
      void globalThis.hear('news', { as: 'successor' })
      void globalThis.hear('more')
    })
    await stop.ready
  })
  await hear(page, 'news')
  await hub.publish({ channel: 'news', payload: 1 })
  await expect.poll(() => hub.logged(' subscribe connection', '"more"').length).toBeGreaterThan(0)
  await hub.publish({ channel: 'news', payload: 2 }, { channel: 'more', payload: 3 })
  await expect.poll(() => heard(page, 'more')).toEqual([3])
  expect(await heard(page, 'news')).toEqual([1, 2])
  expect(await heard(page, 'once')).toEqual([1])
  expect(await heard(page, 'successor')).toEqual([2])
  expect((await toldTo(page)).errors).toEqual([])
})

test('a handler may end the connection, or everything', async ({ hub, front, open }) => {
  const page = await open()
  await page.evaluate(() => void tidings.subscribe('news', ({ payload }) => (payload === 'reset' ? tidings.reset() : tidings.disconnect())))
  await hear(page, 'news', { as: 'kept' })
  await hub.publish({ channel: 'news', payload: 'disconnect' })
  await expect.poll(() => hub.logged('connection unregistered')).toHaveLength(1)
  await page.evaluate(() => tidings.connect())
  await expect.poll(() => page.evaluate(() => tidings.state)).toBe('open')
  await hub.publish({ channel: 'news', payload: 'reset' })
  await expect.poll(() => page.evaluate(() => tidings.state)).toBe('idle')
  await expect.poll(() => hub.logged('connection unregistered')).toHaveLength(2)

  await hear(page, 'news', { as: 'anew' })
  await hub.publish({ channel: 'news', payload: 'after' })
  await expect.poll(() => heard(page, 'anew')).toEqual(['after'])
  expect((await heard(page, 'kept')).slice(0, 1)).toEqual(['disconnect'])
  expect(front.seen('/api/events')).toHaveLength(3)
})
