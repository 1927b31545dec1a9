// Tabs of unmodified browsers, driven by their own drivers, which switch less off than Playwright does: Chromium keeps
// a page that is left in its back/forward cache, and freezes a tab on request. Firefox keeps no page that holds a lock
// or reads a stream when it is left, whatever the page does in `pagehide`, and its driver cannot freeze tabs. (Neither
// driver survives a tab that crashes; hub/shared.test.ts covers that.)
import { tmpdir } from 'node:os'
import { expect, test as base } from '../fixtures.ts'
import { chrome, chromedriver, firefox, geckodriver } from '../support/paths.ts'
import { browserArguments } from '../playwright.config.ts'
import { Service } from '../support/service.ts'
import { spy } from '../support/spy.ts'
import { type Tab, WebDriver } from '../support/webdriver.ts'

/** How the leading tab goes. */
type Way = 'close' | 'navigation' | 'back/forward cache' | 'freeze' | 'disconnect'

interface Browser {
  name: string
  driver: () => Promise<Service>
  capabilities: object
  ways: readonly Way[]
}

const browsers: readonly Browser[] = [
  {
    name: 'Firefox',
    driver: () => Service.start(tmpdir(), geckodriver(), ['--host', '127.0.0.1', '--port', 'PORT'], { ready: '/status' }),
    capabilities: { 'moz:firefoxOptions': { binary: firefox(), args: ['-headless'] } },
    ways: ['close', 'navigation', 'disconnect'],
  },
  {
    name: 'Chromium',
    driver: () => Service.start(tmpdir(), chromedriver(), ['--port=PORT'], { ready: '/status' }),
    capabilities: { 'goog:chromeOptions': { binary: chrome(), args: browserArguments } },
    ways: ['close', 'navigation', 'back/forward cache', 'freeze', 'disconnect'],
  },
]

interface Fixtures {
  driven: Browser
  /** A browser with a profile of its own. */
  driver: WebDriver
  /** Opens the test page in another tab; its client is made, and connects when it has a handler. */
  openTab: () => Promise<Tab>
}

const test = base.extend<Fixtures>({
  driven: [browsers[0]!, { option: true }],
  driver: async ({ driven }, use) => {
    const service = await driven.driver()
    const driver = await WebDriver.open(service.url, driven.capabilities)
    await use(driver)
    await driver.close()
    await service.end()
  },
  openTab: async ({ driver, front }, use) => {
    await use(async () => {
      const tab = await driver.newTab()
      await tab.goto(front.url)
      await expect.poll(() => tab.evaluate(() => ready)).toBe(true)
      await tab.inject(spy)
      await tab.inject(() => {
        addEventListener('pageshow', ({ persisted }) => Object.assign(globalThis, { persisted }))
        document.addEventListener('freeze', () => Object.assign(globalThis, { froze: true }))
        start()
      })
      return tab
    })
  },
})

async function listen(tab: Tab): Promise<void> {
  await tab.inject(() => {
    const ready = [hear('ticks').ready, tidings.on('note', ({ payload }) => (told.heard.note ??= []).push(payload)).ready]
    void Promise.all(ready).then(() => Object.assign(globalThis, { hears: true }))
  })
  await expect.poll(() => tab.evaluate(() => (globalThis as { hears?: boolean }).hears)).toBe(true)
}

const heard = (tab: Tab, as: string): Promise<unknown[]> => tab.evaluate((as) => told.heard[as] ?? [], as)

/** The one tab that has the stream. */
async function leader(tabs: readonly Tab[]): Promise<Tab> {
  let found: Tab | undefined
  await expect
    .poll(async () => {
      const leading = []
      for (const tab of tabs) leading.push(await tab.evaluate(() => streams.some(({ readyState }) => readyState !== EventSource.CLOSED)))
      found = tabs[leading.indexOf(true)]
      return leading.filter(Boolean).length
    })
    .toBe(1)
  return found!
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n)

/** Makes a tab go. Returns what brings it back, if anything does. */
async function go(tab: Tab, way: Way, elsewhere: string): Promise<(() => Promise<void>) | undefined> {
  switch (way) {
    case 'close':
      await tab.close()
      return undefined
    case 'navigation':
      await tab.goto(elsewhere)
      return undefined
    case 'back/forward cache':
      await tab.goto(elsewhere)
      return async () => {
        await tab.back()
        // The page was not loaded again, but restored as it was left.
        await expect.poll(() => tab.evaluate(() => (globalThis as { persisted?: boolean }).persisted)).toBe(true)
      }
    case 'freeze':
      await tab.cdp('Page.setWebLifecycleState', { state: 'frozen' })
      return async () => {
        await tab.cdp('Page.setWebLifecycleState', { state: 'active' })
        expect(await tab.evaluate(() => (globalThis as { froze?: boolean }).froze)).toBe(true)
      }
    case 'disconnect':
      await tab.evaluate(() => tidings.disconnect())
      return () => tab.evaluate(() => tidings.connect())
  }
}

for (const driven of browsers) {
  test.describe(driven.name, () => {
    // A tab that hangs is noticed sooner.
    test.use({ driven, hubOptions: ['--heartbeat-ms', '500'] })

    test('the stream goes from tab to tab while events flow, and none is lost, twice or out of order', async ({ hub, front, driver, openTab }) => {
      test.setTimeout(180_000)
      const opened: Tab[] = []
      const tab = async (): Promise<Tab> => {
        const one = await openTab()
        await listen(one)
        opened.push(one)
        return one
      }
      let tabs: Tab[] = []
      for (let n = 0; n < 4; n++) tabs.push(await tab())
      expect(hub.streams).toBe(1)
      expect(new Set(await Promise.all(tabs.map((one) => one.evaluate(() => tidings.connectionId)))).size).toBe(1)

      let last = 0
      let flows = true
      const flow = (async () => {
        while (flows) {
          last += 1
          await hub.publish({ channel: 'ticks', payload: last }, { channel: 'note', payload: last, to: { users: ['ana'] } })
        }
      })()
      /** Waits until the tab has received everything that was published so far. */
      const caughtUp = async (one: Tab): Promise<void> => {
        const now = last
        await expect.poll(() => one.evaluate(() => Number(told.heard.ticks?.at(-1)))).toBeGreaterThanOrEqual(now)
      }
      const figures: Record<string, number> = {}
      for (let round = 0; round < 2; round++) {
        for (const way of driven.ways) {
          const going = await leader(tabs)
          const others = tabs.filter((one) => one !== going)
          const back = await go(going, way, new URL('/bare.html', front.url).href)
          figures[way] = (figures[way] ?? 0) + 1
          await leader(others)
          for (const one of others) await caughtUp(one)
          if (back) {
            await back()
            await caughtUp(going)
            await leader(tabs)
          } else {
            tabs = [...others, await tab()]
          }
        }
      }
      flows = false
      await flow

      let events = 0
      for (const one of tabs) {
        for (const as of ['ticks', 'note']) {
          await expect.poll(async () => (await heard(one, as)).at(-1)).toBe(last)
          const all = await heard(one, as)
          expect(all, as).toEqual(numbers(Number(all[0]), last))
          events += all.length
        }
        expect(await one.evaluate(() => told.gaps)).toEqual([])
      }
      await expect.poll(() => hub.streams).toBe(1)
      console.log(`${driver.version}: tabs ${opened.length}, handovers ${JSON.stringify(figures)}, published ${2 * last}, heard ${events}, lost 0`)
    })
  })
}
