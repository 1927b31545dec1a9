/** The fixtures of the example apps' tests: the site, the front before it, and users with devices. */
import { test as base, type BrowserContext, type Page } from '@playwright/test'
import { Apps } from '../support/apps.ts'
import { Front } from '../support/front.ts'
import { spyOnStreams } from '../support/spy.ts'

export { expect } from '@playwright/test'
export { Api } from '../support/apps.ts'

export type App = 'timers' | 'notes' | 'chat' | 'tables' | 'tasks'

interface Fixtures {
  /** The options of the server, beside its paths. */
  options: string[]
  apps: Apps
  front: Front
  /** Opens an app on a device of a user: a browser profile of its own, logged in and connected. */
  open: (app: App, user: string, where?: BrowserContext) => Promise<Page>
}

export const test = base.extend<Fixtures>({
  options: [[], { option: true }],
  apps: async ({ options }, use) => {
    const apps = await Apps.start(...options)
    await use(apps)
    await apps.end()
  },
  front: async ({ apps }, use) => {
    const front = await Front.before(apps.server.url, { page: false })
    await use(front)
    await front.close()
  },
  open: async ({ browser, front }, use) => {
    const contexts: BrowserContext[] = []
    await use(async (app, user, where) => {
      const context = where ?? (await browser.newContext())
      if (!where) contexts.push(context)
      const page = await context.newPage()
      await spyOnStreams(page)
      await page.goto(`${front.url}/a/${app}/`)
      if (!where) {
        await page.getByTestId('login-user').fill(user)
        await page.getByTestId('login-submit').click()
      }
      await live(page)
      return page
    })
    for (const context of contexts) await context.close()
  },
})

/** Waits until the page is connected. */
export const live = (page: Page): Promise<unknown> => page.waitForSelector('[data-testid=state][data-state=open]')

/** How many frames of this name the page's own stream has received. */
export const frames = (page: Page, name: string): Promise<number> =>
  page.evaluate((name) => received.filter((frame) => frame.name === name).length, name)

/** Marks the page, so that a reload would be noticed. */
export const mark = (page: Page): Promise<void> => page.evaluate(() => void Object.assign(globalThis, { marked: true }))
export const isMarked = (page: Page): Promise<boolean> => page.evaluate(() => 'marked' in globalThis)
