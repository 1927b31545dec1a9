// One stream for all tabs of a browser, and its handover when the leading tab goes.
import type { Page } from '@playwright/test'
import { expect, test } from '../fixtures.ts'
import { hear, heard, stateOf, toldTo } from '../support/ask.ts'
import { SECRET, token } from '../support/token.ts'

test.use({
  // The sockets of a crashed or hanging tab are noticed sooner.
  hubOptions: ['--heartbeat-ms', '500'],
  // Otherwise Playwright would switch the back/forward cache off. (It still keeps tabs from freezing: see webdriver/.)
  launchOptions: async ({ launchOptions }, use) => use({ ...launchOptions, ignoreDefaultArgs: ['--disable-back-forward-cache'] }),
})

const leads = (page: Page): Promise<boolean> => page.evaluate(() => streams.some(({ readyState }) => readyState !== EventSource.CLOSED))

/** The tab that has the stream. */
async function leader(tabs: readonly Page[]): Promise<Page> {
  let found: Page | undefined
  await expect
    .poll(async () => {
      const leading = await Promise.all(tabs.map(leads))
      found = tabs[leading.indexOf(true)]
      return leading.filter(Boolean).length
    })
    .toBe(1)
  return found!
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n)

test.describe('with a usual heartbeat', () => {
  // Ten pages that start at once keep a machine busy for longer than a leader may otherwise be silent.
  test.use({ hubOptions: [] })

  test('ten tabs hear all they subscribed to by one stream', async ({ hub, front, open }) => {
    const tabs: Page[] = []
    for (let n = 0; n < 10; n++) tabs.push(await open())
    // All tabs draw a device id at the same moment, and agree on one.
    await Promise.all(tabs.flatMap((tab, n) => [hear(tab, 'news'), hear(tab, `own:${n}`)]))
    await Promise.all(tabs.map((tab) => tab.evaluate(() => tidings.on('note', ({ payload }) => (told.heard.note ??= []).push(payload)).ready)))
    for (const payload of numbers(1, 20)) await hub.publish({ channel: 'news', payload })
    await hub.publish(...tabs.map((_, n) => ({ channel: `own:${n}`, payload: n })), { channel: 'note', payload: 'for ana', to: { users: ['ana'] } })
    for (const [n, tab] of tabs.entries()) {
      await expect.poll(() => heard(tab, 'note')).toEqual(['for ana'])
      expect(await heard(tab, 'news')).toEqual(numbers(1, 20))
      expect(await heard(tab, `own:${n}`)).toEqual([n])
      expect((await toldTo(tab)).gaps).toEqual([])
    }
    expect(hub.streams).toBe(1)
    expect(hub.logged('connection registered')).toHaveLength(1)
    const ids = await Promise.all(tabs.map((tab) => tab.evaluate(() => tidings.connectionId)))
    expect(new Set(ids).size).toBe(1)
    // Each of the other tabs has asked once which user it is.
    expect(front.seen('/api/events/check')).toHaveLength(9)
  })
})

test('a channel is left at the server with the last tab that hears it, also when that is closed', async ({ hub, open }) => {
  const [first, second, third] = [await open(), await open(), await open()]
  await hear(first, 'other')
  await hear(second, 'news')
  await hear(third, 'news')
  await second.close()
  await hub.publish({ channel: 'news', payload: 1 })
  await expect.poll(() => heard(third, 'news')).toEqual([1])
  expect(hub.logged('unsubscribe connection', '"news"')).toHaveLength(0)
  await third.close()
  await expect.poll(() => hub.logged('unsubscribe connection', '"news"')).toHaveLength(1)
})

/** The ways in which a leading tab may go, and what brings it back, if anything does. */
const ways: { way: string; go: (page: Page) => Promise<(() => Promise<void>) | undefined> }[] = [
  {
    way: 'close',
    go: async (page) => {
      await page.close()
      return undefined
    },
  },
  {
    way: 'crash',
    go: async (page) => {
      const session = await page.context().newCDPSession(page)
      const crashed = page.waitForEvent('crash')
      void session.send('Page.crash').catch(() => {})
      await crashed
      return undefined
    },
  },
  {
    way: 'navigation',
    go: async (page) => {
      await page.goto(new URL('/bare.html', page.url()).href)
      return undefined
    },
  },
  {
    way: 'back/forward cache',
    go: async (page) => {
      await page.evaluate(() => addEventListener('pageshow', ({ persisted }) => Object.assign(globalThis, { persisted })))
      await page.goto(new URL('/bare.html', page.url()).href)
      return async () => {
        const persisted = (): boolean | undefined => (globalThis as { persisted?: boolean }).persisted
        // The page navigates away while this is evaluated.
        void page.evaluate(() => history.back()).catch(() => {})
        // The page was not loaded again, but restored as it was left.
        await expect.poll(() => page.evaluate(persisted).catch(() => false)).toBe(true)
      }
    },
  },
  {
    way: 'disconnect',
    go: async (page) => {
      await page.evaluate(() => tidings.disconnect())
      return () => page.evaluate(() => tidings.connect())
    },
  },
]

test('the stream goes from tab to tab while events flow, and none is lost, twice or out of order', async ({ hub, open }) => {
  test.setTimeout(120_000)
  const rounds = 2
  const opened: Page[] = []
  const tab = async (): Promise<Page> => {
    const page = await open()
    await hear(page, 'ticks')
    await page.evaluate(() => tidings.on('note', ({ payload }) => (told.heard.note ??= []).push(payload)).ready)
    opened.push(page)
    return page
  }
  let tabs: Page[] = []
  for (let n = 0; n < 4; n++) tabs.push(await tab())

  let last = 0
  let flows = true
  const flow = (async () => {
    while (flows) {
      last += 1
      await hub.publish({ channel: 'ticks', payload: last }, { channel: 'note', payload: last, to: { users: ['ana'] } })
    }
  })()
  /** Waits until the page has received everything that was published so far. */
  const caughtUp = async (page: Page): Promise<void> => {
    const now = last
    await expect.poll(async () => Number((await heard(page, 'ticks')).at(-1))).toBeGreaterThanOrEqual(now)
  }
  const figures: Record<string, number> = {}
  for (let round = 0; round < rounds; round++) {
    for (const { way, go } of ways) {
      const going = await leader(tabs)
      const others = tabs.filter((one) => one !== going)
      const back = await go(going)
      figures[way] = (figures[way] ?? 0) + 1
      await leader(others)
      for (const page of others) await caughtUp(page)
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
  for (const page of tabs) {
    for (const as of ['ticks', 'note']) {
      await expect.poll(async () => (await heard(page, as)).at(-1)).toBe(last)
      const all = await heard(page, as)
      expect(all, as).toEqual(numbers(Number(all[0]), last))
      events += all.length
    }
    expect((await toldTo(page)).gaps).toEqual([])
  }
  await expect.poll(() => hub.streams).toBe(1)
  console.log(`tabs ${opened.length}, handovers ${JSON.stringify(figures)}, published ${2 * last}, heard ${events}, lost 0`)
})

test('a leader that hangs is replaced, and follows when it wakes', async ({ hub, open }) => {
  const [first, second] = [await open(), await open()]
  for (const page of [first, second]) await hear(page, 'ticks')
  // The page is blocked, so not even its timers run; the browser does not know.
  const awake = first.evaluate(() => {
    const end = performance.now() + 6_000
    while (performance.now() < end);
  })
  await expect.poll(() => leads(second)).toBe(true)
  await hub.publish({ channel: 'ticks', payload: 1 })
  await expect.poll(() => heard(second, 'ticks')).toEqual([1])
  await awake
  await expect.poll(() => heard(first, 'ticks')).toEqual([1])
  expect(await leader([first, second])).toBe(second)
  await expect.poll(() => hub.streams).toBe(1)
})

test('a tab whose page was rendered with a cursor hears from there, also what is addressed to its user', async ({ hub, open }) => {
  const first = await open()
  await hear(first, 'ticks')
  const [since] = await hub.publish({ channel: 'ticks', payload: 1 })
  await hub.publish({ channel: 'ticks', payload: 2 }, { channel: 'note', payload: 'meanwhile', to: { users: ['ana'] } })
  const second = await open({ since: since! })
  await second.evaluate(() => {
    tidings.on('note', ({ payload }) => (told.heard.note ??= []).push(payload))
    globalThis.hear('ticks')
  })
  await expect.poll(() => heard(second, 'note')).toEqual(['meanwhile'])
  await expect.poll(() => heard(second, 'ticks')).toEqual([2])
  await hub.publish({ channel: 'ticks', payload: 3 })
  await expect.poll(() => heard(first, 'ticks')).toEqual([1, 2, 3])
  await expect.poll(() => heard(second, 'ticks')).toEqual([2, 3])
})

test('an echo is hidden from its own tab, be it the one with the stream or another', async ({ hub, open }) => {
  const tabs = [await open(), await open()]
  for (const tab of tabs) await hear(tab, 'news')
  for (const tab of tabs) {
    const sessionId = await tab.evaluate(() => tidings.sessionId)
    await hub.publish({ channel: 'news', payload: `by ${tabs.indexOf(tab)}`, except: { userId: 'ana', sessionId } })
  }
  await hub.publish({ channel: 'news', payload: 'for all' })
  await expect.poll(() => heard(tabs[0]!, 'news')).toEqual(['by 1', 'for all'])
  await expect.poll(() => heard(tabs[1]!, 'news')).toEqual(['by 0', 'for all'])
})

test('`debug` tells of what no tab hears, and not of what only another tab hears', async ({ hub, open }) => {
  const [first, second] = [await open({ debug: true }), await open()]
  const unheard: string[] = []
  first.on('console', (said) => said.text().includes('no handler') && unheard.push(said.text()))
  await hear(first, 'news')
  await hear(second, 'chat')
  await second.evaluate(() => tidings.on('note', ({ payload }) => (told.heard.note ??= []).push(payload)).ready)
  const to = { users: ['ana'] }
  await hub.publish({ channel: 'chat', payload: 1 }, { channel: 'note', payload: 2, to }, { channel: 'stray', payload: 3, to }, { channel: 'news', payload: 4 })
  await expect.poll(() => heard(first, 'news')).toEqual([4])
  await expect.poll(() => heard(second, 'note')).toEqual([2])
  expect(await heard(second, 'chat')).toEqual([1])
  expect(unheard).toEqual(["tidings: event test on stray has no handler in any tab: it was sent to this user, so on('stray') hears it"])
})

test('disconnecting is each tab’s own affair', async ({ hub, open }) => {
  const [first, second, third] = [await open(), await open(), await open()]
  for (const page of [first, second, third]) await hear(page, 'news')
  await second.evaluate(() => tidings.disconnect())
  await first.evaluate(() => tidings.disconnect())
  await expect.poll(() => leads(third)).toBe(true)
  await hub.publish({ channel: 'news', payload: 1 })
  await expect.poll(() => heard(third, 'news')).toEqual([1])
  for (const page of [first, second]) {
    expect(await stateOf(page)).toBe('closed')
    expect(await heard(page, 'news')).toEqual([])
  }
})

test('switched off, each tab has a stream of its own', async ({ hub, open }) => {
  const tabs = [await open({ shareConnection: false }), await open({ shareConnection: false })]
  for (const tab of tabs) await hear(tab, 'news')
  expect(hub.streams).toBe(2)
})

test.describe('two users in one browser', () => {
  test.use({ hubOptions: ['--jwt', SECRET, '--heartbeat-ms', '500'] })
  const url = '/api/events'
  const as = (user: string) => ({ url, token: () => token(60, ['*'], SECRET, user) })
  const hearNotes = (page: Page): Promise<void> =>
    page.evaluate(() => tidings.on('note', ({ payload }) => (told.heard.note ??= []).push(payload)).ready)
  const note = (user: string) => ({ channel: 'note', payload: `for ${user}`, to: { users: [user] } })

  test('never see each other’s events, and each user’s tabs share', async ({ hub, open }) => {
    const users = ['ana', 'bob', 'ana', 'bob', 'ana', 'bob']
    const tabs: Page[] = []
    for (const user of users) tabs.push(await open(as(user)))
    for (const tab of tabs) await hearNotes(tab)
    await hub.publish(note('ana'), note('bob'))
    for (const [n, tab] of tabs.entries()) {
      await expect.poll(() => heard(tab, 'note')).toEqual([`for ${users[n]}`])
      expect(await tab.evaluate(() => tidings.userId)).toBe(users[n])
    }
    expect(hub.streams).toBe(2)

    // The next leader is another tab of the same user.
    await tabs[0]!.close()
    await hub.publish(note('ana'), note('bob'))
    for (const [n, tab] of tabs.entries()) {
      if (n > 0) await expect.poll(() => heard(tab, 'note')).toEqual([`for ${users[n]}`, `for ${users[n]}`])
    }
    await expect.poll(() => hub.streams).toBe(2)
  })

  test('a tab that is reset and logged in as somebody else hears nothing of the one before', async ({ hub, open }) => {
    let user = 'ana'
    const first = await open(as('ana'))
    const second = await open({ url, token: () => token(60, ['*'], SECRET, user) })
    for (const page of [first, second]) await hearNotes(page)
    user = 'bob'
    await second.evaluate(() => tidings.reset())
    await hearNotes(second)
    await hub.publish(note('ana'), note('bob'))
    await expect.poll(() => heard(second, 'note')).toEqual(['for bob'])
    await expect.poll(() => heard(first, 'note')).toEqual(['for ana'])
    expect(hub.streams).toBe(2)
  })
})
