/** The fixtures of the timers' tests: the app, the front before it, and devices that show its page. */
import { test as base, type BrowserContext, type Locator, type Page } from '@playwright/test'
import { Front } from '../support/front.ts'
import { spyOnStreams } from '../support/spy.ts'
import { Apps } from '../support/apps.ts'

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
    await remember(page)
    await page.goto(`${url}/a/timers/`)
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

  /** What the page has shown, however briefly: states and activities in order, and the number of gap notices. */
  shown(): Promise<Shown> {
    return this.page.evaluate(() => (globalThis as unknown as { shown: Shown }).shown)
  }

  /** The types of the events with a label that arrived on the tab's own stream, whatever the page did with them. */
  events(label: string): Promise<string[]> {
    return this.page.evaluate(
      (label) =>
        received
          .filter(({ name }) => name === 'message')
          .map(({ data }) => JSON.parse(data))
          .filter(({ channel }) => channel === label)
          .map(({ type }) => type),
      label,
    )
  }
}

interface Shown {
  states: string[]
  activities: string[]
  gaps: number
}

async function remember(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const shown: Shown = { states: [], activities: [], gaps: 0 }
    Object.assign(globalThis, { shown })
    let notice: Element | null = null
    const look = (): void => {
      const state = document.querySelector<HTMLElement>('[data-testid=state]')?.dataset.state
      if (state && state !== shown.states.at(-1)) shown.states.push(state)
      const activity = document.querySelector('[data-testid=activity]')?.textContent?.trim()
      if (activity && activity !== shown.activities.at(-1)) shown.activities.push(activity)
      const before = notice
      notice = document.querySelector('[data-testid=gap-notice]')
      if (notice && notice !== before) shown.gaps += 1
    }
    const watch = { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['data-state'] }
    new MutationObserver(look).observe(document, watch)
  })
}

interface Fixtures {
  apps: Apps
  front: Front
  /** The URL of the app, behind the front. */
  entry: string
  /** A device of Ana's, or of another user's: a browser profile of its own, logged in, connected and named. */
  device: (name: string, user?: string) => Promise<Tab>
}

export const test = base.extend<Fixtures>({
  apps: async ({}, use) => {
    const apps = await Apps.start()
    await use(apps)
    await apps.end()
  },
  front: async ({ apps }, use) => {
    const front = await Front.before(apps.server.url, { page: false })
    await use(front)
    await front.close()
  },
  entry: async ({ front }, use) => use(front.url),
  device: async ({ browser, entry }, use) => {
    const contexts: BrowserContext[] = []
    await use(async (name, user = 'ana') => {
      const context = await browser.newContext()
      contexts.push(context)
      const tab = await Tab.open(context, entry)
      await tab.login(user)
      await tab.page.waitForSelector('[data-testid=state][data-state=open]')
      await tab.rename(name)
      await tab.row(name).waitFor()
      return tab
    })
    for (const context of contexts) await context.close()
  },
})
