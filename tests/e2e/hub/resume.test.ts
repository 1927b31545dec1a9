// Streams that break, servers that die and pages that sleep lose no event, or report a gap.
import { expect, test } from '../fixtures.ts'
import { hear, heard, stateOf, toldTo } from '../support/ask.ts'

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n)

test('streams cut in the middle of frames lose nothing, repeat nothing and tell no gap', async ({ hub, front, open }) => {
  front.cutEvery(7_001, 8)
  const page = await open()
  await hear(page, 'ticks')
  for (const tens of numbers(0, 49)) {
    await hub.publish(...numbers(tens * 10 + 1, tens * 10 + 10).map((payload) => ({ channel: 'ticks', payload })))
  }
  await expect.poll(async () => (await heard(page, 'ticks')).at(-1)).toBe(500)

  expect(await heard(page, 'ticks')).toEqual(numbers(1, 500))
  expect((await toldTo(page)).gaps).toEqual([])
  expect(front.cuts).toHaveLength(8)
  for (const end of front.cuts) expect(end).not.toMatch(/\n$/)
  expect(front.seen('/api/events')).toHaveLength(9)
})

test('a restarted server has a new log: one gap, told once, and events flow again', async ({ hub, open }) => {
  const page = await open()
  await hear(page, 'ticks')
  await hub.publish({ channel: 'ticks', payload: 'old' })
  await expect.poll(() => heard(page, 'ticks')).toEqual(['old'])

  await hub.server.kill()
  await expect.poll(() => stateOf(page)).not.toBe('open')
  await hub.server.restart()
  await expect.poll(() => stateOf(page)).toBe('open')
  await hub.publish({ channel: 'ticks', payload: 'new' })
  await expect.poll(() => heard(page, 'ticks')).toEqual(['old', 'new'])
  expect((await toldTo(page)).gaps).toEqual([{ channels: null, reason: 'epoch' }])
})

test('a server that ends in order sends its clients away, and they come back', async ({ hub, open }) => {
  const page = await open()
  await hear(page, 'ticks')
  await hub.server.kill('SIGINT')
  await expect.poll(() => page.evaluate(() => received.at(-1)?.name)).toBe('closing')
  await hub.server.restart()
  await expect.poll(() => stateOf(page)).toBe('open')
  await hub.publish({ channel: 'ticks', payload: 1 })
  await expect.poll(() => heard(page, 'ticks')).toEqual([1])
})

test.describe('with a heartbeat of 400 ms', () => {
  test.use({ hubOptions: ['--heartbeat-ms', '400'] })

  test('a half-open stream is given up by the watchdog, and nothing of its silence is lost', async ({ hub, front, open }) => {
    const page = await open()
    await hear(page, 'ticks')
    front.freeze()
    await hub.publish({ channel: 'ticks', payload: 'into the silence' })
    await expect.poll(() => heard(page, 'ticks')).toEqual(['into the silence'])

    const { states, errors, gaps } = await toldTo(page)
    expect(states.map(({ state }) => state)).toEqual(['connecting', 'open', 'waiting', 'connecting', 'open'])
    expect(errors).toEqual([expect.objectContaining({ code: 'silent', willRetry: true })])
    expect(gaps).toEqual([])
    expect(front.seen('/api/events')).toHaveLength(2)
  })

  test('a stream that only beats is left alone', async ({ front, open }) => {
    const page = await open()
    await hear(page, 'ticks')
    const beats = () => page.evaluate(() => received.filter(({ name }) => name === 'heartbeat').length)
    await expect.poll(beats).toBeGreaterThan(8)
    expect(front.seen('/api/events')).toHaveLength(1)
    expect((await toldTo(page)).states.map(({ state }) => state)).toEqual(['connecting', 'open'])
  })
})

test('a page that goes into the back/forward cache closes its stream, and catches up when it comes back', async ({ hub, open }) => {
  const page = await open()
  await hear(page, 'ticks')
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })))
  await expect.poll(() => hub.logged('connection unregistered')).toHaveLength(1)
  await hub.publish({ channel: 'ticks', payload: 'meanwhile' })
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })))
  await expect.poll(() => heard(page, 'ticks')).toEqual(['meanwhile'])
  expect((await toldTo(page)).gaps).toEqual([])
})

test('a page that is left closes its stream at the server', async ({ hub, front, open }) => {
  const page = await open()
  await hear(page, 'ticks')
  await page.goto(`${front.url}/bare.html`)
  await expect.poll(() => hub.logged('connection unregistered', 'connections=0')).toHaveLength(1)
})
