/**
 * What a test is given: a server of its own, a front before it, and pages.
 *
 * ```ts
 * test('an event arrives', async ({ hub, open }) => {
 *   const page = await open()
 *   await page.evaluate(() => hear('news').ready)
 *   await hub.publish({ channel: 'news', payload: 1 })
 *   await expect.poll(() => page.evaluate(() => told.heard.news)).toEqual([1])
 * })
 * ```
 *
 * `site/` is the page, `support/` the servers and the proxy. Nothing here waits for time to pass, only for facts.
 */
import { test as base, type BrowserContext, type Page } from '@playwright/test'
import type { TidingsOptions } from 'tidings'
import { Front } from './support/front.ts'
import { Hub } from './support/hub.ts'
import { spyOnStreams } from './support/spy.ts'

export { expect } from '@playwright/test'

/** Options of the page's client. `token` is called in the test, not in the page. */
type Options = Omit<TidingsOptions, 'token'> & { token?: () => string | undefined }

/** Opens the test page and makes its client, which connects when it has a handler. */
type Open = (options?: Options, where?: BrowserContext) => Promise<Page>

export interface Fixtures {
  /** The transport by which pages read their streams. */
  transport: 'eventsource' | 'fetch'
  /** The options of the hub, beside its address. */
  hubOptions: string[]
  hub: Hub
  front: Front
  open: Open
}

export const test = base.extend<Fixtures>({
  transport: ['fetch', { option: true }],
  hubOptions: [[], { option: true }],
  hub: async ({ hubOptions }, use) => {
    const hub = await Hub.start(...hubOptions)
    await use(hub)
    await hub.server.kill()
  },
  front: async ({ hub }, use) => {
    const front = await Front.before(hub.server.url)
    await use(front)
    await front.close()
  },
  open: async ({ front, context, transport }, use) => {
    await use(async ({ token, ...options } = {}, where = context) => {
      const page = await where.newPage()
      if (token) await page.exposeFunction('token', token)
      await spyOnStreams(page)
      await page.goto(front.url)
      await page.waitForFunction(() => ready)
      await page.evaluate((options) => start(options), { transport, ...options })
      return page
    })
  },
})
