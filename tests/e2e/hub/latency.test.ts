// Delivery times reported by pages, in the hub's metrics.
import type { Page } from '@playwright/test'
import { expect, test } from '../fixtures.ts'
import { hear, heard } from '../support/ask.ts'
import type { Front } from '../support/front.ts'
import type { Hub } from '../support/hub.ts'
import { SECRET, token } from '../support/token.ts'

/** The count and sum of the reports in the hub's metrics. */
async function delivered(hub: Hub): Promise<{ count: number; seconds: number }> {
  const page = await (await fetch(`${hub.server.url}/metrics`)).text()
  const figure = (name: string): number => Number(new RegExp(`^tidings_delivery_seconds_${name} (\\S+)$`, 'm').exec(page)?.[1] ?? 0)
  return { count: figure('count'), seconds: figure('sum') }
}

const reports = (front: Front): number => front.seen('/api/events/latency').length

const heartbeats = (page: Page): Promise<number> =>
  page.evaluate(() => received.filter(({ name }) => name === 'heartbeat').length)

test.describe('with frequent heartbeats', () => {
  // A report follows every 2.5 heartbeats.
  test.use({ hubOptions: ['--metrics', '--heartbeat-ms', '400'] })

  test('the hub shows the latencies that a page measures, with the delays of the page itself', async ({ hub, front, open }) => {
    const page = await open({ reportLatency: true })
    await hear(page, 'ticks')
    await hub.publish({ channel: 'ticks', payload: 1 }, { channel: 'elsewhere', payload: 2 })
    await expect.poll(async () => (await delivered(hub)).count).toBe(1)
    const { seconds: quick } = await delivered(hub)

    // The hub accepts the event long before this page has time for it.
    await page.evaluate(() => {
      const body = JSON.stringify({ channel: 'ticks', type: 't', payload: 3 })
      void fetch('/api/events/publish', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      const start = performance.now()
      while (performance.now() < start + 700);
    })
    await expect.poll(async () => (await delivered(hub)).count).toBe(2)
    const { seconds: both } = await delivered(hub)
    expect(both - quick).toBeGreaterThan(0.3)
    expect(both).toBeLessThan(10)
    expect(await heard(page, 'ticks')).toEqual([1, 3])
    expect(reports(front)).toBe(2)
  })

  test('the tab that has the stream reports for the tabs that share it', async ({ hub, front, open }) => {
    const [first, second] = [await open({ reportLatency: true }), await open({ reportLatency: true })]
    await hear(first, 'ticks')
    await hear(second, 'ticks')
    await hub.publish(...[1, 2, 3].map((payload) => ({ channel: 'ticks', payload })))
    await expect.poll(() => heard(second, 'ticks')).toEqual([1, 2, 3])
    await expect.poll(async () => (await delivered(hub)).count).toBe(3)
    await hub.publish({ channel: 'ticks', payload: 4 })
    await expect.poll(async () => (await delivered(hub)).count).toBe(4)
    expect(reports(front)).toBe(2)
  })

  test('nobody reports who was not asked to', async ({ hub, front, open }) => {
    const page = await open()
    await hear(page, 'ticks')
    await hub.publish({ channel: 'ticks', payload: 1 })
    await expect.poll(() => heartbeats(page)).toBeGreaterThan(4)
    expect(reports(front)).toBe(0)
  })
})

test.describe('a hub that takes in no reports', () => {
  test.use({ hubOptions: ['--jwt', SECRET, '--heartbeat-ms', '400'] })

  test('is sent one, and no more on that stream', async ({ hub, front, open }) => {
    const page = await open({ url: '/api/events', token: () => token(60), reportLatency: true })
    await hear(page, 'ticks')
    await hub.publish({ channel: 'ticks', payload: 1 })
    await expect.poll(() => reports(front)).toBe(1)
    await hub.publish({ channel: 'ticks', payload: 2 })
    const before = await heartbeats(page)
    await expect.poll(() => heartbeats(page)).toBeGreaterThan(before + 4)
    expect(reports(front)).toBe(1)
    expect(await page.evaluate(() => told.errors)).toEqual([])
  })
})

test('a page that goes away says what it has', async ({ hub, front, open }) => {
  const page = await open({ reportLatency: true })
  await hear(page, 'ticks')
  await hub.publish({ channel: 'ticks', payload: 1 })
  await expect.poll(() => heard(page, 'ticks')).toEqual([1])
  expect(reports(front)).toBe(0)
  await page.goto('about:blank')
  await expect.poll(() => reports(front)).toBe(1)
})
