// Presence, as browsers connect, reload and leave.
import type { BrowserContext, Page } from '@playwright/test'
import { expect, test } from '../fixtures.ts'
import { hear, toldTo } from '../support/ask.ts'

/** Another user, in a browser profile of their own. */
const as = (user: string) => ({ url: `/api/events?user=${user}` })

const see = (page: Page, channel: string): Promise<void> =>
  page.evaluate(async (channel) => void (await globalThis.see(channel).ready), channel)

/** The members that were reported last. */
const here = async (page: Page): Promise<string[] | undefined> =>
  (await toldTo(page)).seen.at(-1)?.here.map(({ userId }) => userId)

/** The members that joined (`+`) and left (`-`), in order. */
const moves = async (page: Page): Promise<string[]> =>
  (await toldTo(page)).seen.flatMap(({ join, leave }) => [
    ...join.map(({ userId }) => `+${userId}`),
    ...leave.map(({ userId }) => `-${userId}`),
  ])

async function enter(page: Page, user: string): Promise<void> {
  await page.waitForFunction(() => ready)
  await page.evaluate((options) => start(options), as(user))
  await hear(page, 'room:7')
}

test.describe('with a grace period', () => {
  // Long enough for a reload on a busy machine.
  test.use({ hubOptions: ['--presence', '6000,30000'] })

  test('joining is seen, a reload is not, and closing is seen', async ({ open, browser }) => {
    const elsewhere: BrowserContext[] = [await browser.newContext(), await browser.newContext()]
    const watcher = await open()
    await see(watcher, 'room:7')
    await expect.poll(() => here(watcher)).toEqual([])

    const bob = await open(as('bob'), elsewhere[0])
    await hear(bob, 'room:7')
    await expect.poll(() => here(watcher)).toEqual(['bob'])
    const device = await bob.evaluate(() => tidings.deviceId)
    expect((await toldTo(watcher)).seen.at(-1)?.here).toEqual([{ userId: 'bob', deviceId: device }])

    await bob.reload()
    await enter(bob, 'bob')
    const cid = await open(as('cid'), elsewhere[1])
    await hear(cid, 'room:7')
    await expect.poll(() => here(watcher)).toEqual(['bob', 'cid'])
    expect(await moves(watcher)).toEqual(['+bob', '+cid'])

    await bob.close()
    await expect.poll(() => here(watcher)).toEqual(['cid'])
    expect(await moves(watcher)).toEqual(['+bob', '+cid', '-bob'])
    for (const context of elsewhere) await context.close()
  })

  test('after a reconnect the list is the whole list again, without a word of who stayed', async ({ open, browser, front }) => {
    const context = await browser.newContext()
    const watcher = await open()
    await see(watcher, 'room:7')
    const bob = await open(as('bob'), context)
    await hear(bob, 'room:7')
    await expect.poll(() => here(watcher)).toEqual(['bob'])
    front.cut()
    await expect.poll(() => front.seen('/api/events/presence').length).toBe(2)
    await hear(watcher, 'room:7')
    // The list of the new stream has no order: it may come before or after ana.
    await expect.poll(async () => [...((await here(watcher)) ?? [])].sort()).toEqual(['ana', 'bob'])
    expect(await moves(watcher)).toEqual(['+bob', '+ana'])
    expect((await toldTo(watcher)).gaps).toEqual([])
    await context.close()
  })
})

test.describe('with streams to be heard of often', () => {
  test.use({ hubOptions: ['--presence', '100,400'] })

  test('a page of which nothing is heard leaves, though its stream is open, and comes back when it is heard', async ({ open, browser, front }) => {
    const context = await browser.newContext()
    const [watcher, bob] = [await open(), await open(as('bob'), context)]
    await see(watcher, 'room:7')
    await hear(bob, 'room:7')
    await expect.poll(() => here(watcher)).toEqual(['bob'])
    // The client calls it by itself, again and again.
    await expect.poll(() => front.seen('/api/events/alive').length).toBeGreaterThan(5)
    expect(await moves(watcher)).toEqual(['+bob'])

    const release = front.hold('/api/events/alive')
    await expect.poll(() => here(watcher)).toEqual([])
    expect((await toldTo(bob)).states.at(-1)?.state).toBe('open')
    release()
    await expect.poll(() => here(watcher)).toEqual(['bob'])
    expect((await toldTo(bob)).states.filter(({ state }) => state === 'open')).toHaveLength(1)
    await context.close()
  })
})

test('a hub without presence says so', async ({ open, front }) => {
  const page = await open()
  const code = await page.evaluate(() =>
    globalThis.see('room:7').ready.then(
      () => undefined,
      (error: { code: string }) => error.code,
    ),
  )
  expect(code).toBe('presenceOff')
  expect(front.seen('/api/events/presence')).toEqual([])
})
