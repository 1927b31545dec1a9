/** What the timers tests are given: the app, the front before it, and devices that show its page. */
import { test as base, type BrowserContext, type Locator, type Page } from '@playwright/test'
import { Front } from '../support/front.ts'
import { spyOnStreams } from '../support/spy.ts'
import { Timers } from '../support/timers.ts'

export { expect } from '@playwright/test'

/** One tab that shows the app; the first tab of a browser profile logs in. */
export class Tab {
  private constructor(
    readonly page: Page,
    private readonly url: string,
  ) {}

  static async open(context: BrowserContext, url: string): Promise<Tab> {
    const page = await context.newPage()
    await spyOnStreams(page)
    await rememberStates(page)
    await page.goto(url)
    return new Tab(page, url)
  }

  /** Another tab of the same profile. */
  sibling(): Promise<Tab> {
    return Tab.open(this.page.context(), this.url)
  }

  get(id: string): Locator {
    return this.page.getByTestId(id)
  }

  /** The row of a device in the list. */
  row(name: string): Locator {
    return this.get('device-row').filter({ has: this.get('device-name').getByText(name, { exact: true }) })
  }

  /** The dot in that row. */
  dot(name: string): Locator {
    return this.row(name).getByTestId('device-online')
  }

  async login(user: string): Promise<void> {
    await this.get('login-user').fill(user)
    await this.get('login-submit').click()
  }

  async rename(name: string): Promise<void> {
    await this.get('device-rename').click()
    await this.get('device-name-input').fill(name)
    await this.get('device-name-save').click()
  }

  async start(title: string, mode: 'timer' | 'pomodoro' = 'timer'): Promise<void> {
    await this.get('start-title').fill(title)
    // The radio button itself is hidden behind its label.
    await this.get(`start-mode-${mode}`).check({ force: true })
    await this.get('start-submit').click()
  }

  /** The states that the page has shown, in order. */
  states(): Promise<string[]> {
    return this.page.evaluate(() => (globalThis as unknown as { states: string[] }).states)
  }

  /** The types of the timer events that came through the stream, whatever the page made of them. */
  timerEvents(): Promise<string[]> {
    return this.page.evaluate(() =>
      received
        .filter(({ name }) => name === 'message')
        .map(({ data }) => JSON.parse(data))
        .filter(({ channel }) => channel === 'timer')
        .map(({ type }) => type),
    )
  }
}

/** Records each state that the page shows, however briefly. */
async function rememberStates(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const states: string[] = []
    Object.assign(globalThis, { states })
    const look = (): void => {
      const state = document.querySelector<HTMLElement>('[data-testid=state]')?.dataset.state
      if (state && state !== states.at(-1)) states.push(state)
    }
    const watch = { subtree: true, childList: true, attributes: true, attributeFilter: ['data-state'] }
    new MutationObserver(look).observe(document, watch)
  })
}

interface Fixtures {
  timers: Timers
  front: Front
  /** A device of ana's: a browser profile of its own, logged in, connected and named. */
  device: (name: string) => Promise<Tab>
}

export const test = base.extend<Fixtures>({
  timers: async ({}, use) => {
    const timers = await Timers.start()
    await use(timers)
    await timers.end()
  },
  front: async ({ timers }, use) => {
    const front = await Front.before(timers.server.url, { page: false })
    await use(front)
    await front.close()
  },
  device: async ({ browser, front }, use) => {
    const contexts: BrowserContext[] = []
    await use(async (name) => {
      const context = await browser.newContext()
      contexts.push(context)
      const tab = await Tab.open(context, front.url)
      await tab.login('ana')
      await tab.page.waitForSelector('[data-testid=state][data-state=open]')
      await tab.rename(name)
      await tab.row(name).waitFor()
      return tab
    })
    for (const context of contexts) await context.close()
  },
})
