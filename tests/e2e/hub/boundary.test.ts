// Exceptions at the boundary between JavaScript and Wasm, in either direction and at any time: the client reports them,
// and continues without losing or repeating an event.
import type { Page } from '@playwright/test'
import { expect, test } from '../fixtures.ts'
import { toldTo } from '../support/ask.ts'
import { plantable, type Planted } from '../support/boundary.ts'
import type { Hub } from '../support/hub.ts'
import type { Front } from '../support/front.ts'

/** Opens the page of one client whose boundary can throw. */
async function begin(page: Page, front: Front, transport: 'fetch' | 'eventsource', shareConnection: boolean): Promise<void> {
  await plantable(page)
  await page.goto(front.url)
  await page.waitForFunction(() => ready)
  await page.evaluate((options) => start(options), { transport, shareConnection })
}

/**
 * A short session: it receives events of a channel and of the user, one of them during a reconnect, subscribes and
 * unsubscribes.
 */
async function live(page: Page, hub: Hub, front: Front, planted: Planted, from: 'the start' | 'open'): Promise<{ thrown: number; gaps: number }> {
  await page.evaluate(
    async ({ planted, early }) => {
      tidings.reset()
      Object.assign(told, { states: [], gaps: [], errors: [], heard: {} })
      boundary.thrown = 0
      if (early) boundary.planted = planted
      const user: unknown[] = (told.heard.user = [])
      hear('room')
      tidings.on('note', ({ payload }) => user.push(payload))
    },
    { planted, early: from === 'the start' },
  )
  const isOpen = () => page.evaluate(() => tidings.state)
  await expect.poll(isOpen, { intervals: [10] }).toBe('open')
  await page.evaluate(async (planted) => {
    await hear('probe').ready
    if (planted) boundary.planted = planted
  }, from === 'open' ? planted : undefined)

  const both = (n: number) =>
    hub.publish({ channel: 'room', payload: n }, { channel: 'note', payload: n, to: { users: ['ana'] } })
  await both(1)
  await both(2)
  await page.evaluate(() => {
    const stop = hear('other')
    dispatchEvent(new Event('online'))
    document.dispatchEvent(new Event('visibilitychange'))
    void stop.ready.then(() => stop(), () => {})
  })
  await both(3)
  front.cut()
  await both(4)
  await expect.poll(isOpen, { intervals: [10] }).toBe('open')
  // Several events in one chunk.
  await hub.publish(...[5, 6, 7, 8].flatMap((n) => [{ channel: 'room', payload: n }, { channel: 'note', payload: n, to: { users: ['ana'] } }]))
  const result = await page.evaluate(async () => {
    const last = (): boolean => [told.heard.room, told.heard.user].every((heard) => heard?.at(-1) === 8)
    for (const until = performance.now() + 8_000; !last() && performance.now() < until; ) await new Promise((done) => setTimeout(done, 5))
    boundary.planted = undefined
    return { thrown: boundary.thrown, ...told }
  })
  const where = `${planted.side} ${planted.name} from ${from}`
  for (const name of ['room', 'user']) {
    const heard = result.heard[name] as number[]
    expect(heard, `${where}: ${name} in order, each once`).toEqual([...new Set(heard)].sort())
    if (result.gaps.length === 0) expect(heard, `${where}: ${name}, nothing missed without a word`).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  }
  const internal = result.errors.filter(({ code }) => code === 'internal')
  expect(internal, where).toHaveLength(result.thrown)
  return { thrown: result.thrown, gaps: result.gaps.length }
}

for (const side of ['imports', 'exports'] as const) {
  for (const shares of [false, true]) {
    test(`each of the ${side} throws once, ${shares ? 'in a client that shares its stream' : 'in a client of its own stream'}`, async ({ hub, front, page, transport }) => {
      test.setTimeout(240_000)
      await begin(page, front, transport, shares)
      // One run without a fault lists all imports and exports.
      await live(page, hub, front, { side, name: 'nothing', once: true }, 'open')
      const names = await page.evaluate((side) => boundary.names[side], side)
      expect(names.length).toBeGreaterThan(5)
      const figures = { calls: names.length, thrown: 0, gaps: 0 }
      for (const name of names) {
        for (const from of ['the start', 'open'] as const) {
          const { thrown, gaps } = await live(page, hub, front, { side, name, once: true }, from)
          figures.thrown += thrown
          figures.gaps += gaps
        }
      }
      test.info().annotations.push({ type: 'figures', description: JSON.stringify(figures) })
      console.log(JSON.stringify({ side, shares, transport, ...figures }))
      expect(figures.thrown).toBeGreaterThan(names.length / 2)
    })
  }
}

test('an exception in any phase loses and doubles nothing', async ({ hub, front, page, transport }) => {
  test.setTimeout(240_000)
  await begin(page, front, transport, true)
  const seed = Date.now() % 1_000_000
  // A linear congruential generator, so that a failure can be repeated.
  let state = seed
  const random = (below: number): number => ((state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) >> 8) % below
  const figures = { seed, thrown: 0, gaps: 0 }
  console.log(`seed ${seed}`)
  for (let run = 0; run < 60; run++) {
    const side = random(2) === 0 ? 'imports' : 'exports'
    const after = random(side === 'imports' ? 150 : 250)
    const { thrown, gaps } = await live(page, hub, front, { side, name: '*', once: true, after }, random(2) === 0 ? 'open' : 'the start')
    figures.thrown += thrown
    figures.gaps += gaps
  }
  console.log(JSON.stringify({ transport, ...figures }))
  expect(figures.thrown).toBeGreaterThan(10)
})

test('an exception in every engine is reported, and the end, until `connect()`', async ({ hub, front, page, transport }) => {
  await begin(page, front, transport, false)
  const refusal = await page.evaluate(async () => {
    const { ready } = hear('none')
    await ready
    tidings.reset()
    Object.assign(told, { states: [], errors: [] })
    // Which exports are called whenever an engine is made cannot be told from their names.
    for (const name of boundary.names.exports) {
      boundary.planted = { side: 'exports', name, once: false }
      boundary.thrown = 0
      const refused = await Promise.race([
        hear('news').ready.then(() => undefined, ({ code }: { code: string }) => code),
        new Promise<undefined>((done) => setTimeout(done, 1_000)),
      ])
      if (refused) return refused
      boundary.planted = undefined
      tidings.reset()
      Object.assign(told, { states: [], errors: [] })
    }
    return undefined
  })
  expect(refusal).toBe('internal')
  const { errors, states } = await toldTo(page)
  expect(errors.map(({ code, willRetry }) => [code, willRetry])).toEqual([['internal', true], ['internal', false]])
  expect(states.at(-1)?.state).toBe('closed')
  await page.evaluate(() => {
    boundary.planted = undefined
    tidings.connect()
  })
  await expect.poll(() => page.evaluate(() => tidings.state)).toBe('open')
  await hub.publish({ channel: 'news', payload: 1 })
  await expect.poll(() => page.evaluate(() => told.heard.news)).toEqual([1])
})
