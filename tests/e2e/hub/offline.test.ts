// Mutations made offline: a real IndexedDB, real locks between tabs, and a server that records its requests.
import type { Page } from '@playwright/test'
import type { OfflineQueue } from 'tidings/offline'
import { expect } from '../fixtures.ts'
import { connect } from '../support/ask.ts'
import { begin, bodies, make, pending, stick, test } from '../support/offline.ts'
import { SECRET, token } from '../support/token.ts'

test('a mutation that can be sent is sent at once, and answered by the server', async ({ asked, openQueue, statuses }) => {
  statuses.push(201, 409)
  const page = await openQueue()
  expect(await make(page, 'one')).toEqual(['201'])
  expect(await make(page, 'two')).toEqual(['409'])
  expect(bodies(asked)).toEqual(['one', 'two'])
  expect(await pending(page)).toBe(0)
  // Mutations that were answered directly are not reported again.
  expect(await page.evaluate(() => outcome)).toEqual({ flushed: [], rejected: [] })
})

test('mutations made offline are sent in order on return, each with a key, as the tab that made them', async ({ asked, context, openQueue }) => {
  const page = await openQueue()
  await connect(page)
  await context.setOffline(true)
  expect(await make(page, 'one', 'two')).toEqual(['202 queued', '202 queued'])
  expect(await make(page, 'three')).toEqual(['202 queued'])
  expect(asked).toEqual([])
  await context.setOffline(false)
  await expect.poll(() => bodies(asked)).toEqual(['one', 'two', 'three'])
  await expect.poll(() => pending(page)).toBe(0)
  expect((await page.evaluate(() => outcome)).flushed).toEqual(['/api/notes 36 200', '/api/notes 36 200', '/api/notes 36 200'])

  const keys = asked.map(({ headers }) => headers['idempotency-key'])
  for (const key of keys) expect(key).toMatch(/^"[0-9a-f-]{36}"$/)
  expect(new Set(keys).size).toBe(3)
  const sessionId = await page.evaluate(() => tidings.sessionId)
  for (const { headers } of asked) expect(headers).toMatchObject({ 'x-session-id': sessionId, 'content-type': 'text/plain;charset=UTF-8' })
})

test('they outlive the page', async ({ asked, context, front, openQueue }) => {
  const page = await openQueue()
  await connect(page)
  await context.setOffline(true)
  expect(await make(page, 'one', 'two')).toEqual(['202 queued', '202 queued'])
  await page.close()
  await context.setOffline(false)
  expect(asked).toEqual([])
  await openQueue()
  await expect.poll(() => bodies(asked)).toEqual(['one', 'two'])
  expect(front.seen('/api/notes')).toHaveLength(2)
})

test('tabs that return together send each of them once, in the order in which they were made', async ({ asked, context, openQueue }) => {
  const pages = [await openQueue(), await openQueue(), await openQueue()]
  for (const page of pages) await connect(page)
  await context.setOffline(true)
  const wanted: string[] = []
  for (let round = 0; round < 5; round++) {
    for (const [n, page] of pages.entries()) {
      wanted.push(`${round} of ${n}`)
      expect(await make(page, `${round} of ${n}`)).toEqual(['202 queued'])
    }
  }
  await context.setOffline(false)
  await expect.poll(() => bodies(asked)).toEqual(wanted)
  for (const page of pages) await page.evaluate(() => queue.flush())
  expect(bodies(asked)).toEqual(wanted)
  const outcomes = await Promise.all(pages.map((page) => page.evaluate(() => outcome)))
  expect(outcomes.flatMap(({ flushed }) => flushed)).toHaveLength(wanted.length)
})

test('they are never sent in the name of another user, and wait for their own', async ({ asked, context, openQueue }) => {
  const ana = await openQueue('ana')
  await connect(ana)
  await context.setOffline(true)
  expect(await make(ana, "ana's")).toEqual(['202 queued'])
  await ana.close()
  await context.setOffline(false)

  const bob = await openQueue('bob')
  await connect(bob)
  expect(await make(bob, "bob's")).toEqual(['200'])
  await bob.evaluate(() => queue.flush())
  expect(bodies(asked)).toEqual(["bob's"])
  expect(await pending(bob)).toBe(1)
  await bob.close()

  await openQueue('ana')
  await expect.poll(() => bodies(asked)).toEqual(["bob's", "ana's"])
})

test('whoever else the page is by the time it returns, what it made before stays with who made it', async ({ asked, context, front, openQueue }) => {
  // The same page, while the server knows it as another user, as after a login in another tab.
  let user = 'ana'
  await context.route('**/api/events/check?*', (route) => route.fulfill({ json: { userId: user } }))
  const page = await openQueue()
  await connect(page)
  await context.setOffline(true)
  expect(await make(page, 'one')).toEqual(['202 queued'])
  user = 'bob'
  await context.setOffline(false)
  await page.evaluate(() => queue.flush())
  expect(asked).toEqual([])
  expect(front.seen('/api/notes')).toEqual([])
  // Mutations that the page makes under the name it still believes in are not sent either.
  expect(await make(page, 'two')).toEqual(['202 queued'])
  expect(asked).toEqual([])
  user = 'ana'
  await page.evaluate(() => queue.flush())
  expect(bodies(asked)).toEqual(['one', 'two'])
})

test('a refused mutation is rejected, a failed one is tried again, and the order stays', async ({ asked, context, openQueue, statuses }) => {
  const page = await openQueue()
  await connect(page)
  await context.setOffline(true)
  await make(page, 'one', 'two', 'three')
  statuses.push(409, 503, 429)
  await context.setOffline(false)
  await expect.poll(() => bodies(asked)).toEqual(['one', 'two', 'two', 'two', 'three'])
  const [, first, second, third] = asked.map(({ headers }) => headers['idempotency-key'])
  expect([second, third]).toEqual([first, first])
  await expect.poll(() => page.evaluate(() => outcome)).toEqual({
    rejected: ['/api/notes 36 409'],
    flushed: ['/api/notes 36 200', '/api/notes 36 200'],
  })
})

test('a mutation that is too old is rejected, and never sent', async ({ asked, context, open, openQueue }) => {
  const page = await openQueue()
  await connect(page)
  await context.setOffline(true)
  expect(await make(page, 'one', 'two')).toEqual(['202 queued', '202 queued'])
  await page.close()
  await context.setOffline(false)
  const later = await open()
  await begin(later, { maxAgeMs: 0 })
  await expect.poll(() => later.evaluate(() => outcome)).toEqual({ flushed: [], rejected: ['/api/notes 36 expired', '/api/notes 36 expired'] })
  expect(await pending(later)).toBe(0)
  expect(asked).toEqual([])
})

test.describe('under a token', () => {
  test.use({ hubOptions: ['--jwt', SECRET] })

  test('no token is stored: a request that carried one gets the fresh one by which the user was checked', async ({ asked, context, open }) => {
    const given: string[] = []
    const fresh = (): string => {
      given.push(token(60))
      return given.at(-1)!
    }
    const page = await open({ url: '/api/events', token: fresh })
    await begin(page)
    await connect(page)
    await context.setOffline(true)
    const status = await page.evaluate(async () => {
      const headers = { Authorization: 'Bearer of-then' }
      return (await tidings.fetch('/api/notes', { method: 'POST', body: 'one', headers, offline: 'queue' })).status
    })
    expect(status).toBe(202)
    const stored = await page.evaluate(async () => {
      const [{ name, version }] = (await indexedDB.databases()) as [{ name: string; version: number }]
      const database = await new Promise<IDBDatabase>((resolve) => {
        const opening = indexedDB.open(name, version)
        opening.onsuccess = () => resolve(opening.result)
      })
      return new Promise<string>((resolve) => {
        const all = database.transaction('mutations').objectStore('mutations').getAll()
        all.onsuccess = () => resolve(JSON.stringify(all.result))
      })
    })
    expect(stored).toContain('/api/notes')
    expect(stored).not.toMatch(/bearer|of-then|authorization/i)
    const before = given.length
    await context.setOffline(false)
    await expect.poll(() => bodies(asked)).toEqual(['one'])
    expect(given.slice(before).map((token) => `Bearer ${token}`)).toContain(asked[0]?.headers.authorization)
  })
})

test('a server that is down is as good as being offline', async ({ asked, front, hub, openQueue }) => {
  const page = await openQueue()
  await connect(page)
  // No server can say who the user is.
  await hub.server.kill()
  expect(await make(page, 'one')).toEqual(['202 queued'])
  expect(front.seen('/api/notes')).toEqual([])
  await hub.server.restart()
  await expect.poll(() => bodies(asked)).toEqual(['one'])
})

test('without a queue, or knowing for whom to keep it, it says so', async ({ context, open, openQueue }) => {
  const code = (page: Page): Promise<string> =>
    page.evaluate(() => tidings.fetch('/api/notes', { method: 'POST', offline: 'queue' }).then(() => 'sent', ({ code }: { code: string }) => code))
  expect(await code(await open())).toBe('noOfflineQueue')
  const page = await openQueue()
  await context.setOffline(true)
  expect(await code(page)).toBe('userUnknown')
})

test('after `reset()` nothing is made in the name of the user before, though the client was never connected', async ({ asked, context, openQueue }) => {
  let user = 'ana'
  await context.route('**/api/events/check?*', (route) => route.fulfill({ json: { userId: user } }))
  const page = await openQueue()
  expect(await make(page, "ana's")).toEqual(['200'])
  await page.evaluate(() => tidings.reset())
  user = 'bob'
  expect(await make(page, "bob's")).toEqual(['200'])
  expect(bodies(asked)).toEqual(["ana's", "bob's"])
  expect(await pending(page)).toBe(0)
})

test('a mutation made before `reset()` is never kept as that of who logs in while the server is asked', async ({ asked, context, front, openQueue }) => {
  const page = await openQueue()
  const release = await stick(context, '/api/events/check?*')
  const made = page.evaluate(() => {
    const options = { method: 'POST', body: "ana's", offline: 'queue' } as const
    return tidings.fetch('/api/notes', options).then(() => 'sent', ({ code }: { code: string }) => code)
  })
  await page.evaluate(() => tidings.reset())
  await release()
  expect(await made).toBe('userUnknown')
  expect(await pending(page)).toBe(0)
  expect(asked).toEqual([])
  expect(front.seen('/api/notes')).toEqual([])
})

test('on a page without TLS, where there is neither `crypto.randomUUID` nor a lock, they are kept and sent', async ({ asked, context, openQueue }) => {
  await context.addInitScript(() => {
    Object.defineProperty(crypto, 'randomUUID', { value: undefined })
    Object.defineProperty(navigator, 'locks', { value: undefined })
  })
  const page = await openQueue()
  await connect(page)
  await context.setOffline(true)
  expect(await make(page, 'one')).toEqual(['202 queued'])
  await context.setOffline(false)
  await expect.poll(() => bodies(asked)).toEqual(['one'])
  expect(asked[0]!.headers['idempotency-key']).toMatch(/^"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}"$/)
})

test('mutations are sent in the order in which they were made', async ({ asked, openQueue }) => {
  const page = await openQueue()
  await connect(page)
  const answers = await page.evaluate(() => {
    const body = new Blob([new Uint8Array(4_000_000)])
    const post = (body: BodyInit) => tidings.fetch('/api/notes', { method: 'POST', body, offline: 'queue' })
    return Promise.all([post(body), post('second')].map(async (answer) => (await answer).status))
  })
  expect(answers).toEqual([200, 200])
  expect(bodies(asked).map(({ length }) => length)).toEqual([4_000_000, 6])
})

test('a mutation that is discarded while others are sent is not sent', async ({ asked, context, front, openQueue }) => {
  const page = await openQueue()
  await connect(page)
  await context.setOffline(true)
  await make(page, 'one', 'two', 'three')
  const release = front.hold('/api/notes')
  await context.setOffline(false)
  await expect.poll(() => front.seen('/api/notes').length).toBe(1)
  await page.evaluate(async () => queue.discard((await queue.pending())[2]!.key))
  release()
  await expect.poll(() => bodies(asked)).toEqual(['one', 'two'])
  await page.evaluate(() => queue.flush())
  expect(bodies(asked)).toEqual(['one', 'two'])
  expect(await pending(page)).toBe(0)
})

test('`stop()` ends it after the one that is under way, and what is made before it is kept', async ({ asked, context, front, openQueue }) => {
  const page = await openQueue()
  await connect(page)
  await context.setOffline(true)
  await make(page, 'one', 'two')
  const release = front.hold('/api/notes')
  await context.setOffline(false)
  await expect.poll(() => front.seen('/api/notes').length).toBe(1)
  const third = page.evaluate(async () => {
    const answer = tidings.fetch('/api/notes', { method: 'POST', body: 'three', offline: 'queue' })
    queue.stop()
    return (await answer).status
  })
  expect(await third).toBe(202)
  release()
  await expect.poll(() => page.evaluate(() => outcome.flushed.length)).toBe(1)
  await expect.poll(() => pending(page)).toBe(2)
  expect(bodies(asked)).toEqual(['one'])
  await begin(page)
  await expect.poll(() => bodies(asked)).toEqual(['one', 'two', 'three'])
})

test('to stop an older queue leaves the newer one to the client', async ({ asked, openQueue }) => {
  const page = await openQueue()
  await page.evaluate(() => (globalThis as { older?: OfflineQueue }).older = queue)
  await begin(page)
  await page.evaluate(() => (globalThis as { older?: OfflineQueue }).older!.stop())
  expect(await make(page, 'one')).toEqual(['200'])
  expect(bodies(asked)).toEqual(['one'])
})

test('a server that does not say who the page is, in time, is no answer: what is made is kept', async ({ asked, context, open, openQueue: _ }) => {
  const page = await open()
  await begin(page, { as: 'ana', timeoutMs: 200 })
  const release = await stick(context, '/api/events/check?*')
  expect(await make(page, 'one')).toEqual(['202 queued'])
  expect(asked).toEqual([])
  await release()
  await expect.poll(() => bodies(asked)).toEqual(['one'])
})

test('a token that never comes is no answer: what is made is kept', async ({ asked, open }) => {
  const page = await open()
  await page.evaluate(() => start({ token: () => new Promise(() => {}) }))
  await begin(page, { as: 'ana', timeoutMs: 200 })
  expect(await make(page, 'one')).toEqual(['202 queued'])
  expect(asked).toEqual([])
})

test('an address that answers 401 while the server knows who we are has refused it, and holds up nothing', async ({ asked, context, openQueue, statuses }) => {
  const page = await openQueue()
  await connect(page)
  await context.setOffline(true)
  await make(page, 'one', 'two')
  statuses.push(401)
  await context.setOffline(false)
  await expect.poll(() => bodies(asked)).toEqual(['one', 'two'])
  await expect.poll(() => page.evaluate(() => outcome)).toEqual({ rejected: ['/api/notes 36 401'], flushed: ['/api/notes 36 200'] })
})

test('a mutation that is aborted while it waits is neither answered nor sent', async ({ asked, front, openQueue }) => {
  const page = await openQueue()
  await connect(page)
  const release = front.hold('/api/notes')
  const first = make(page, 'one')
  await expect.poll(() => front.seen('/api/notes').length).toBe(1)
  const second = await page.evaluate(async () => {
    const stop = new AbortController()
    const answer = tidings.fetch('/api/notes', { method: 'POST', body: 'two', offline: 'queue', signal: stop.signal })
    const told = answer.then(() => 'answered', ({ name }: Error) => name)
    while ((await queue.pending()).length < 2);
    stop.abort()
    return told
  })
  expect(second).toBe('AbortError')
  release()
  expect(await first).toEqual(['200'])
  await page.evaluate(() => queue.flush())
  expect(bodies(asked)).toEqual(['one'])
  expect(await pending(page)).toBe(0)
})
