/** The fixtures of the offline tests: a page with a queue, and the requests that reached the server. */
import type { BrowserContext, Page } from '@playwright/test'
import type { Mutation, OfflineOptions, OfflineQueue } from 'tidings/offline'
import { test as base } from '../fixtures.ts'
import type { Asked } from './front.ts'

/** What the queue reported to a page. */
interface Outcome {
  flushed: string[]
  rejected: string[]
}

declare global {
  var queue: OfflineQueue
  var outcome: Outcome
}

interface Fixtures {
  /** The mutations that reached the server, in order. */
  asked: Asked[]
  /** The statuses of the server's answers, in turn; afterwards 200. */
  statuses: number[]
  /** Opens a page of a user, with a queue. */
  openQueue: (user?: string, where?: BrowserContext) => Promise<Page>
}

export const test = base.extend<Fixtures>({
  statuses: async ({}, use) => use([]),
  asked: async ({ front, statuses }, use) => {
    const asked: Asked[] = []
    front.answer('/api/notes', (one) => {
      asked.push(one)
      return statuses.shift() ?? 200
    })
    await use(asked)
  },
  openQueue: async ({ open, asked: _ }, use) => {
    await use(async (user = 'ana', where) => {
      const page = await open({ url: `/api/events?user=${user}` }, where)
      await begin(page)
      return page
    })
  },
})

/** Options of the page's queue; `as` is its option `user`. */
export type Options = Pick<OfflineOptions, 'maxAgeMs' | 'timeoutMs'> & { as?: string }

/** Makes the page's queue. */
export async function begin(page: Page, options: Options = {}): Promise<void> {
  await page.evaluate(async ({ as, ...options }) => {
    const path = '/tidings/offline.js'
    const { queueOffline } = (await import(path)) as typeof import('/tidings/offline.js')
    globalThis.outcome = { flushed: [], rejected: [] }
    const name = ({ url, key }: Mutation): string => `${new URL(url).pathname} ${key.length}`
    globalThis.queue = queueOffline(tidings, {
      onFlush: (mutation, { status }) => outcome.flushed.push(`${name(mutation)} ${status}`),
      onReject: (mutation, rejection) =>
        outcome.rejected.push(`${name(mutation)} ${rejection.reason === 'refused' ? rejection.response.status : 'expired'}`),
      ...(as !== undefined && { user: () => as }),
      ...options,
    })
  }, options)
}

/** Makes mutations. Resolves with the answer to each. */
export const make = (page: Page, ...bodies: string[]): Promise<string[]> =>
  page.evaluate(
    (bodies) =>
      Promise.all(
        bodies.map(async (body) => {
          const { status, headers } = await tidings.fetch('/api/notes', { method: 'POST', body, offline: 'queue' })
          return `${status}${headers.has('X-Tidings-Queued') ? ' queued' : ''}`
        }),
      ),
    bodies,
  )

/** Delays the answers to a path, like a server that is stuck. The returned function releases them. */
export async function stick(context: BrowserContext, path: string): Promise<() => Promise<void>> {
  let release!: () => void
  const until = new Promise<void>((resolve) => (release = resolve))
  await context.route(`**${path}`, async (route) => {
    await until
    // The page may have given up on the request.
    await route.fallback().catch(() => {})
  })
  return async () => {
    release()
    await context.unroute(`**${path}`)
  }
}

export const pending = (page: Page): Promise<number> => page.evaluate(async () => (await queue.pending()).length)
export const bodies = (asked: Asked[]): string[] => asked.map(({ body }) => body)
