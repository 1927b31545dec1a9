// Three hubs on one log: a page that watches presence is told when a hub does not answer, so that it does not take a
// part of the users for all of them.
import type { Browser, Page } from '@playwright/test'
import { expect, test as base } from '@playwright/test'
import { toldTo } from '../support/ask.ts'
import { Front } from '../support/front.ts'
import { clusterProgram, examples } from '../support/paths.ts'
import { Server } from '../support/server.ts'
import { spyOnStreams } from '../support/spy.ts'

/** The channel of the chat whose presence each of its users may watch. */
const people = 'people'

interface Shown {
  number: number
  figures?: { streams: number; cluster: { asked: number; answered: number } } | null
}

/** The program with the three hubs, by the calls of its page. */
class Cluster {
  constructor(private readonly url: string) {}

  private async hubs(): Promise<Shown[]> {
    return ((await (await fetch(`${this.url}/cluster/hubs`)).json()) as { hubs: Shown[] }).hubs
  }

  /** How many hubs each hub knows. */
  async known(): Promise<(number | undefined)[]> {
    return (await this.hubs()).map(({ figures }) => figures?.cluster.answered)
  }

  /** The number of the hub that holds the only stream. */
  async hubOfOnlyStream(): Promise<number> {
    const hubs = await this.hubs()
    const holding = hubs.filter(({ figures }) => figures?.streams === 1)
    if (holding.length !== 1) throw new Error(`not one stream: ${JSON.stringify(hubs)}`)
    return holding[0]!.number
  }

  /** Resolves when the process is gone, or listens again. */
  async order(what: 'kill' | 'restart', hub: number): Promise<void> {
    const answer = await fetch(`${this.url}/cluster/hubs/${hub}/${what}`, { method: 'POST' })
    if (!answer.ok) throw new Error(`${what}: ${answer.status} ${await answer.text()}`)
  }
}

interface Fixtures {
  cluster: Cluster
  /** Opens the test page for a user, in a browser profile of its own. */
  open: (user: string) => Promise<Page>
}

const test = base.extend<Fixtures & { server: Server }>({
  server: async ({}, use) => {
    const server = await Server.start(clusterProgram(), ['--examples', examples()])
    await use(server)
    await server.kill('SIGTERM')
  },
  cluster: async ({ server }, use) => use(new Cluster(server.url)),
  open: async ({ server, browser }, use) => {
    const front = await Front.before(server.url)
    await use((user) => login(browser, front.url, user))
    for (const context of browser.contexts()) await context.close()
    await front.close()
  },
})

async function login(browser: Browser, url: string, user: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage()
  await spyOnStreams(page)
  await page.goto(url)
  await page.waitForFunction(() => ready)
  await page.evaluate(async (user) => {
    const headers = { 'Content-Type': 'application/json' }
    const answer = await fetch('/a/api/login', { method: 'POST', headers, body: JSON.stringify({ user }) })
    if (!answer.ok) throw new Error(`login: ${answer.status}`)
    start({ url: '/a/api/events' })
  }, user)
  return page
}

const see = (page: Page): Promise<void> => page.evaluate(async (people) => void (await globalThis.see(people).ready), people)

/** What the package has handed over: `2 of 3: ben`, in order. */
const seen = async (page: Page): Promise<string[]> =>
  (await toldTo(page)).seen.map(({ here, asked, answered }) =>
    `${answered} of ${asked}: ${here.map(({ userId }) => userId).join(' ')}`.trim(),
  )

const last = async (page: Page): Promise<string | undefined> => (await seen(page)).at(-1)

// Servers start, and a hub is killed and restarted.
test.setTimeout(120_000)

test('a page that watches presence is told that a hub is silent, and that all answer again', async ({ cluster, open }) => {
  const [ana, ben, cid] = [await open('ana'), await open('ben'), await open('cid')]
  await expect.poll(() => cluster.known()).toEqual([3, 3, 3])
  await see(ana)
  // On a busy machine a partial list may come before.
  await expect.poll(() => last(ana)).toBe('3 of 3:')
  const own = await cluster.hubOfOnlyStream()
  await ben.evaluate(async (people) => void (await hear(people).ready), people)
  await expect.poll(() => last(ana)).toBe('3 of 3: ben')

  const other = (own % 3) + 1
  await cluster.order('kill', other)
  // The hub counts as gone after 8 s of silence, so a page that begins to watch before that receives a partial list.
  await see(cid)
  for (const page of [ana, cid]) await expect.poll(() => seen(page)).toContain('2 of 3: ben')

  await cluster.order('restart', other)
  for (const page of [ana, cid]) {
    await expect.poll(() => last(page), { timeout: 30_000 }).toBe('3 of 3: ben')
  }
  // All of this came on one stream.
  expect((await toldTo(ana)).states.filter(({ state }) => state === 'open')).toHaveLength(1)
})
