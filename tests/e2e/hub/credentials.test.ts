// Users authenticated by a token: a real hub with JSON Web Tokens.
import { expect, test } from '../fixtures.ts'
import { hear, heard, stateOf, toldTo } from '../support/ask.ts'
import type { Front } from '../support/front.ts'
import { SECRET, token } from '../support/token.ts'

test.use({ hubOptions: ['--jwt', SECRET] })

const url = '/api/events'
const refreshes = (front: Front): number => front.seen('/api/events/refresh').length

test('a token that expires while events flow is refreshed on the same stream, and nothing is lost', async ({ hub, front, open }) => {
  const page = await open({ url, token: () => token(3) })
  await hear(page, 'ticks')
  let last = 0
  while (refreshes(front) < 3) await hub.publish({ channel: 'ticks', payload: ++last })
  await expect.poll(async () => (await heard(page, 'ticks')).at(-1)).toBe(last)

  expect(await heard(page, 'ticks')).toEqual(Array.from({ length: last }, (_, n) => n + 1))
  expect(front.seen(url)).toHaveLength(1)
  expect(await toldTo(page)).toMatchObject({ gaps: [], errors: [], states: [{ state: 'connecting' }, { state: 'open' }] })
})

test('a token stands in headers and in no URL; where the stream has no headers, a ticket does', async ({ hub, front, open, transport }) => {
  const given: string[] = []
  const page = await open({
    url,
    token: () => {
      given.push(token(60))
      return given.at(-1)
    },
  })
  await hear(page, 'ticks')
  front.cut()
  await hub.publish({ channel: 'ticks', payload: 1 })
  await expect.poll(() => heard(page, 'ticks')).toEqual([1])

  for (const { query } of front.requests) {
    for (const value of query.values()) expect(given).not.toContain(value)
  }
  const shown = front.seen(transport === 'fetch' ? url : '/api/events/ticket')
  expect(shown.map(({ headers }) => headers.authorization)).toEqual(given.map((one) => `Bearer ${one}`))
  const tickets = front.seen(url).map(({ query }) => query.get('ticket'))
  if (transport === 'fetch') expect(tickets).toEqual([null, null])
  else expect(new Set(tickets.filter((ticket) => ticket !== null)).size).toBe(2)
})

test('a token of somebody else is refused by its code, and no storm follows', async ({ hub, front, open, transport }) => {
  let secret = 'another secret of thirty-two bytes'
  const page = await open({ url, token: () => token(60, ['*'], secret), reconnect: { baseMs: 10, capMs: 400 } })
  await page.evaluate(() => void globalThis.hear('ticks'))
  await expect.poll(async () => (await toldTo(page)).errors.length).toBeGreaterThan(2)

  const { errors } = await toldTo(page)
  for (const error of errors) expect(error).toMatchObject({ code: 'credentialsInvalid', status: 401, willRetry: true })
  // The first token, one more at once, and then one for each wait; the client makes no other request meanwhile.
  const asked = front.seen(transport === 'fetch' ? url : '/api/events/ticket')
  expect(asked.length).toBeLessThanOrEqual(errors.length + 2)
  for (const [n, { at }] of asked.slice(2).entries()) expect(at - (asked[n + 1]?.at ?? 0)).toBeGreaterThan(390)
  const all = front.requests.filter(({ path }) => path.startsWith(url))
  expect(all.length - asked.length).toBeLessThanOrEqual(1)

  secret = SECRET
  await page.evaluate(() => tidings.connect())
  await expect.poll(() => stateOf(page)).toBe('open')
  await hub.publish({ channel: 'ticks', payload: 1 })
  await expect.poll(() => heard(page, 'ticks')).toEqual([1])
})

for (const [what, given, code] of [
  ['an expired token', () => token(-60), 'credentialsExpired'],
  ['what is no token', () => 'opensesame', 'credentialsMalformed'],
  ['no token', () => undefined, 'credentialsMissing'],
] as const) {
  test(`${what} is told as ${code}`, async ({ open }) => {
    const page = await open({ url, token: given })
    await page.evaluate(() => tidings.connect())
    await expect.poll(async () => (await toldTo(page)).errors[0]).toMatchObject({ code, status: 401, willRetry: true })
  })
}

test('a token without a successor ends the stream, and its successor resumes it', async ({ hub, front, open }) => {
  let given: string | undefined
  // The token is made when it is asked for, because a page opens slowly on a busy machine.
  const page = await open({ url, token: () => (given ??= token(4)), reconnect: { baseMs: 10, capMs: 200 } })
  await hear(page, 'ticks')
  await expect.poll(async () => (await toldTo(page)).errors.map(({ code }) => code)).toContain('credentialsExpired')
  await hub.publish({ channel: 'ticks', payload: 'meanwhile' })
  given = token(60)
  await expect.poll(() => heard(page, 'ticks')).toEqual(['meanwhile'])

  const { errors, gaps } = await toldTo(page)
  expect(errors[0]).toMatchObject({ code: 'expired', willRetry: true })
  expect(gaps).toEqual([])
  // The client never sent a token again that the server had already seen.
  expect(refreshes(front)).toBe(0)
})

test('a token with narrower grants takes channels away, and tells their handlers', async ({ hub, open }) => {
  const grants = [['*'], ['news']]
  const page = await open({ url, token: () => token(3, grants.shift() ?? ['news']) })
  await hear(page, 'news')
  await hear(page, 'admin')
  await expect.poll(async () => (await toldTo(page)).revoked).toEqual([{ channel: 'admin', code: 'forbidden' }])
  await hub.publish({ channel: 'admin', payload: 'secret' }, { channel: 'news', payload: 'public' })
  await expect.poll(() => heard(page, 'news')).toEqual(['public'])

  expect(await heard(page, 'admin')).toEqual([])
  expect((await toldTo(page)).errors).toEqual([{ code: 'forbidden', channel: 'admin', status: undefined, willRetry: false }])
  expect(await stateOf(page)).toBe('open')
})

test('a channel that one token lacks and a later one grants comes back with a gap', async ({ hub, front, open }) => {
  const grants = [['*'], ['news']]
  const page = await open({ url, token: () => token(3, grants.shift() ?? ['*']) })
  await hear(page, 'admin')
  await expect.poll(async () => (await toldTo(page)).revoked).toEqual([{ channel: 'admin', code: 'forbidden' }])
  await hub.publish({ channel: 'admin', payload: 'meanwhile' })
  await expect.poll(async () => (await toldTo(page)).gaps).toEqual([{ channels: ['admin'], reason: 'refused' }])
  await hub.publish({ channel: 'admin', payload: 'again' })
  await expect.poll(() => heard(page, 'admin')).toEqual(['again'])
  expect((await toldTo(page)).errors).toHaveLength(1)
  expect(front.seen(url)).toHaveLength(1)
})

test('a channel that the server subscribes reaches handlers without a grant, in every tab, until it is unsubscribed', async ({ hub, front, open }) => {
  const first = await open({ url, token: () => token(60, ['news']) })
  const second = await open({ url, token: () => token(60, ['news']) })
  const pages = [first, second]
  await hear(first, 'news')
  for (const page of pages) {
    await page.evaluate(() => void globalThis.hear('room:7'))
    await expect.poll(async () => (await toldTo(page)).errors).toMatchObject([{ channel: 'room:7', code: 'forbidden' }])
  }
  await hub.command('give', 'ana', 'room:*')
  for (const page of pages) {
    await expect.poll(async () => (await toldTo(page)).gaps).toEqual([{ channels: ['room:7'], reason: 'refused' }])
  }
  await hear(second, 'room:8')
  await hub.publish({ channel: 'room:7', payload: 'seven' }, { channel: 'room:8', payload: 'eight' })
  for (const page of pages) await expect.poll(() => heard(page, 'room:7')).toEqual(['seven'])
  await expect.poll(() => heard(second, 'room:8')).toEqual(['eight'])

  front.cut()
  await hub.publish({ channel: 'room:7', payload: 'meanwhile' })
  for (const page of pages) await expect.poll(() => heard(page, 'room:7')).toEqual(['seven', 'meanwhile'])

  await hub.command('take', 'ana', 'room:*')
  await hub.publish({ channel: 'room:7', payload: 'too late' }, { channel: 'news', payload: 'last' })
  await expect.poll(() => heard(first, 'news')).toEqual(['last'])
  const lost = { channel: 'room:7', code: 'forbidden' }
  await expect.poll(async () => (await toldTo(first)).revoked).toEqual([lost])
  await expect.poll(async () => (await toldTo(second)).revoked).toEqual([lost, { channel: 'room:8', code: 'forbidden' }])
  for (const page of pages) expect(await heard(page, 'room:7')).toEqual(['seven', 'meanwhile'])
  expect((await toldTo(first)).gaps).toHaveLength(1)
})

test('a server that lists no other origins is told from one that is not there', async ({ hub, open }) => {
  const page = await open({ url: `${hub.server.url}/api/events`, token: () => token(60) })
  await page.evaluate(() => tidings.connect())
  await expect.poll(async () => (await toldTo(page)).errors[0]).toMatchObject({ code: 'cors', willRetry: true })

  await hub.server.kill()
  await expect.poll(async () => (await toldTo(page)).errors.at(-1)).toMatchObject({ code: 'network', willRetry: true })
})
