// Answers other than a stream: the client stays alive, waits as it is told, and reports why.
import { expect, test } from '../fixtures.ts'
import type { Front, Seen } from '../support/front.ts'
import { connect, hear, heard, stateOf, toldTo } from '../support/ask.ts'

/** The stream requests that were refused. */
const refused = (front: Front): Seen[] => front.seen('/api/events').filter(({ refused }) => refused)

/** The milliseconds between one request and the next. */
const between = (requests: Seen[]): number[] => requests.slice(1).map(({ at }, n) => at - (requests[n]?.at ?? 0))

test('after a 503 it comes back by itself, no sooner than `Retry-After` says', async ({ hub, front, open, transport }) => {
  const page = await open()
  await hear(page, 'ticks')
  front.refuse({ status: 503, code: 'unavailable', headers: { 'Retry-After': '1' } })
  front.cut()
  await hub.publish({ channel: 'ticks', payload: 'meanwhile' })
  await expect.poll(() => refused(front).length).toBeGreaterThan(2)
  front.accept()
  await expect.poll(() => heard(page, 'ticks')).toEqual(['meanwhile'])

  const { states, errors, gaps } = await toldTo(page)
  expect(errors[0]).toMatchObject({ code: 'unavailable', status: 503, willRetry: true })
  expect(gaps).toEqual([])
  expect(states.at(-1)).toMatchObject({ state: 'open', attempt: 0 })
  for (const wait of between(refused(front))) expect(wait).toBeGreaterThan(990)
  // The client asks once about each refusal, where the stream does not show it.
  expect(front.seen('/api/events/check')).toHaveLength(transport === 'fetch' ? 0 : refused(front).length)
})

test('without `Retry-After` it backs off: each wait is drawn from twice as much, and kept', async ({ hub, front, open }) => {
  const page = await open({ reconnect: { baseMs: 40, capMs: 320 } })
  await hear(page, 'ticks')
  front.refuse({ status: 503, code: 'unavailable' })
  front.cut()
  await expect.poll(() => front.seen('/api/events').length, { timeout: 15_000 }).toBeGreaterThan(8)
  front.accept()
  await expect.poll(() => stateOf(page)).toBe('open')
  await hub.publish({ channel: 'ticks', payload: 1 })
  await expect.poll(() => heard(page, 'ticks')).toEqual([1])

  const { states } = await toldTo(page)
  const waits = states.filter(({ nextRetryMs }) => nextRetryMs !== undefined)
  expect(waits.map(({ attempt }) => attempt)).toEqual(waits.map((_, n) => n + 1))
  for (const { attempt, nextRetryMs } of waits) {
    expect(nextRetryMs).toBeLessThanOrEqual(Math.min(320, 40 * 2 ** (attempt - 1)))
  }
  const kept = between(front.seen('/api/events'))
  expect(kept).toHaveLength(waits.length)
  for (const [n, { nextRetryMs = 0 }] of waits.entries()) expect(kept[n]).toBeGreaterThanOrEqual(nextRetryMs - 5)
})

test('a 401 is told by its code and asked about once; `connect()` goes on where it stood', async ({ hub, front, open, transport }) => {
  const page = await open({ reconnect: { baseMs: 20, capMs: 60_000 } })
  await hear(page, 'ticks')
  front.refuse({ status: 401, code: 'credentialsExpired' })
  front.cut()
  await expect.poll(async () => (await toldTo(page)).errors).toEqual([
    { code: 'credentialsExpired', status: 401, willRetry: true, channel: undefined },
  ])
  expect((await toldTo(page)).states.at(-1)).toEqual({ state: 'waiting', attempt: 2, nextRetryMs: 60_000 })
  await hub.publish({ channel: 'ticks', payload: 'meanwhile' })

  front.accept()
  await page.evaluate(() => tidings.connect())
  await expect.poll(() => heard(page, 'ticks')).toEqual(['meanwhile'])
  expect((await toldTo(page)).gaps).toEqual([])
  // The first, the refused and the last request: a 401 causes no burst of requests.
  expect(front.seen('/api/events')).toHaveLength(3)
  expect(front.seen('/api/events/check')).toHaveLength(transport === 'fetch' ? 0 : 1)
})

test('when credentials return by themselves, so does the client', async ({ hub, front, open }) => {
  const page = await open({ reconnect: { baseMs: 20, capMs: 300 } })
  front.refuse({ status: 401, code: 'credentialsMissing' })
  await page.evaluate(() => void globalThis.hear('ticks'))
  await expect.poll(async () => (await toldTo(page)).errors.length).toBeGreaterThan(1)
  front.accept()
  await expect.poll(() => stateOf(page)).toBe('open')
  await hub.publish({ channel: 'ticks', payload: 1 })
  await expect.poll(() => heard(page, 'ticks')).toEqual([1])
  for (const wait of between(refused(front))) expect(wait).toBeGreaterThan(290)
})

test('a subscribe that is refused for a moment is asked for again', async ({ hub, front, open }) => {
  const page = await open()
  await connect(page)
  front.refuse({ status: 503, code: 'unavailable' })
  await page.evaluate(() => void globalThis.hear('ticks'))
  await expect.poll(() => front.seen('/api/events/subscribe').length).toBeGreaterThan(0)
  front.accept()
  await expect.poll(() => hub.logged(' subscribe connection', '"ticks"').length).toBeGreaterThan(0)
  await hub.publish({ channel: 'ticks', payload: 1 })
  await expect.poll(() => heard(page, 'ticks')).toEqual([1])
})

test('`reconnect: false` gives up at the first failure, and `connect()` begins anew', async ({ hub, front, open }) => {
  const page = await open({ reconnect: false })
  await hear(page, 'ticks')
  front.cut()
  await expect.poll(() => stateOf(page)).toBe('closed')
  await hub.publish({ channel: 'ticks', payload: 'meanwhile' })
  await page.evaluate(() => tidings.connect())
  await expect.poll(() => heard(page, 'ticks')).toEqual(['meanwhile'])
  expect(front.seen('/api/events')).toHaveLength(2)
})
