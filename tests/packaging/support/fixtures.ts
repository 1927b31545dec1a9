/**
 * What a test of the packaging is given: the apps, a hub, a front that serves what an app built, and a browser.
 *
 * ```ts
 * test('vite, built', async ({ app, files, receives }) => {
 *   const vite = await app('vite')
 *   await vite.run('vite', 'build')
 *   await receives(await files(vite.path('dist')))
 * })
 * ```
 *
 * Every app is the same page: each of its `p` says the connection's state and the last payload on `note:42`.
 */
import { type Page, test as base } from '@playwright/test'
import { Front } from '../../e2e/support/front.ts'
import { Hub } from '../../e2e/support/hub.ts'
import { App } from './app.ts'
import type { Noted } from './table.ts'
import type { Service } from '../../e2e/support/service.ts'

export { expect } from '@playwright/test'
import { expect } from '@playwright/test'

/** How a page behaves. */
interface Manner {
  /** The proxy through which the stream passes. */
  through?: string
  /**
   * Whether a server rendered the page and took a cursor, so that the page also receives what is published until it
   * connects.
   */
  rendered?: boolean
}

interface Fixtures {
  hub: Hub
  /** Installs a fixture app, and records its versions of these packages. */
  app: (name: string, ...packages: string[]) => Promise<App>
  /** Records a text in the test's row of the matrix. */
  note: (column: Noted, text: string) => void
  /** Serves a folder, or another server, together with the hub below `/api/`, from one origin. */
  front: (page: string, headers?: Record<string, string>) => Promise<string>
  /** Starts a server of an app, which ends with the test. */
  serve: (starting: Promise<Service>) => Promise<string>
  /** Opens the page, publishes, and waits until each paragraph shows the event; no error may be reported meanwhile. */
  receives: (url: string, manner?: Manner) => Promise<void>
}

/** Delays a page's streams, so that something can happen between its rendering and its first stream. */
async function holdStreams(page: Page): Promise<{ asked: Promise<unknown>; now: () => void }> {
  let now!: () => void
  const until = new Promise<void>((resolve) => (now = resolve))
  const isStream = (url: URL): boolean => url.pathname === '/api/events'
  await page.route(isStream, async (route) => {
    await until
    await route.continue()
  })
  return { asked: page.waitForRequest((request) => isStream(new URL(request.url()))), now }
}

export const test = base.extend<Fixtures>({
  hub: async ({}, use) => {
    const hub = await Hub.start()
    await use(hub)
    await hub.server.kill()
  },
  note: async ({}, use, { annotations }) => {
    await use((type, description) => void annotations.push({ type, description }))
  },
  app: async ({ hub, note }, use) => {
    await use(async (name, ...packages) => {
      const app = await App.install(name, hub.server.url)
      if (packages.length > 0) note('with', packages.map((name) => app.version(name)).join(', '))
      return app
    })
  },
  front: async ({ hub }, use) => {
    const fronts: Front[] = []
    await use(async (page, headers = {}) => {
      const front = await Front.before(hub.server.url, { page })
      front.headers = headers
      fronts.push(front)
      return front.url
    })
    for (const front of fronts) await front.close()
  },
  serve: async ({}, use) => {
    const services: Service[] = []
    await use(async (starting) => {
      const service = await starting
      services.push(service)
      return service.url
    })
    for (const service of services) await service.end()
  },
  receives: async ({ hub, note, page }, use) => {
    await use(async (url, { through = 'a plain proxy', rendered = false } = {}) => {
      note('through', through)
      if (rendered) expect(await (await fetch(url)).text()).toContain('idle none')
      const complaints: string[] = []
      page.on('pageerror', (error) => complaints.push(String(error)))
      page.on('console', (said) => said.type() === 'error' && complaints.push(said.text()))
      const connect = rendered ? await holdStreams(page) : undefined
      await page.goto(url)
      const shown = page.locator('p')
      await expect(shown.first()).toBeVisible()
      const all = (text: string): string[] => Array.from({ length: paragraphs }, () => text)
      const paragraphs = await shown.count()
      if (connect) {
        await connect.asked
        await hub.publish({ channel: 'note:42', payload: 'between' })
        connect.now()
      }
      // The first error is among the complaints, and says more than a state.
      const first = connect ? 'open between' : 'open none'
      await expect.poll(async () => [...complaints, ...(await shown.allTextContents())]).toEqual(all(first))

      const payload = crypto.randomUUID()
      const before = performance.now()
      await hub.publish({ channel: 'note:42', payload })
      await page.waitForFunction((text) => [...document.querySelectorAll('p')].every((p) => p.textContent === text), `open ${payload}`)
      note('after', `${Math.round(performance.now() - before)} ms`)
      expect(complaints).toEqual([])
    })
  },
})
