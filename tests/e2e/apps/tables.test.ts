// Tables: lists that refetch after a successful mutation, tokens that are renewed on the open stream, and five
// reconnect attempts.
import type { Page } from '@playwright/test'
import { Api, expect, frames, isMarked, live, mark, test } from './app.ts'

test.use({ options: ['--token-seconds', '6'] })

async function course(page: Page, title: string, seats: number): Promise<void> {
  await page.getByTestId('course-title').fill(title)
  await page.getByTestId('course-seats').fill(String(seats))
  await page.getByTestId('create-course').click()
  await expect(row(page, title)).toBeVisible()
}

const row = (page: Page, title: string) => page.getByTestId('course').filter({ hasText: title })

async function book(page: Page, guest: string): Promise<void> {
  await page.getByTestId('booking-guest').fill(guest)
  await page.getByTestId('create-booking').click()
}

/** The subscriptions that a page has requested. */
const confirmed = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    received.flatMap(({ name, data }) => (name === 'subscribed' || name === 'connected' ? (JSON.parse(data).channels as string[]) : [])),
  )

/** Calls the API with a token. */
async function withToken(url: string, user: string) {
  const api = await Api.login(url, user)
  const { token } = await api.post('/tables/token')
  const headers = { Authorization: `Bearer ${token}` }
  return (method: string, path: string, body?: object) => api.send(method, `/tables${path}`, body, headers)
}

test('a row that is created, changed or deleted on one device is so on all', async ({ open }) => {
  const [laptop, phone, ben] = [await open('tables', 'ana'), await open('tables', 'ana'), await open('tables', 'ben')]
  await course(laptop, 'Rust for gardeners', 3)
  for (const page of [phone, ben]) await expect(row(page, 'Rust for gardeners').getByTestId('seats')).toHaveText('3')
  await ben.getByRole('button', { name: '+1 seat: Rust for gardeners' }).click()
  for (const page of [laptop, phone]) await expect(row(page, 'Rust for gardeners').getByTestId('seats')).toHaveText('4')
  await phone.getByRole('button', { name: 'Delete: Rust for gardeners' }).click()
  for (const page of [laptop, ben]) await expect(page.getByTestId('course')).toHaveCount(0)
})

test('only a mutation that succeeded is published', async ({ open, apps }) => {
  const ana = await open('tables', 'ana')
  await course(ana, 'Knots', 1)
  await ana.getByTestId('watch-all').click()
  await expect.poll(() => confirmed(ana)).toContain('table:*')
  const ben = await withToken(apps.server.url, 'ben')
  const [{ id }] = await ben('GET', '/courses')
  await ben('POST', '/bookings', { course: id, guest: 'Ben' })
  await expect(ana.getByTestId('change')).toHaveCount(1)
  const before = await frames(ana, 'message')
  await expect(ben('POST', '/bookings', { course: id, guest: 'Cleo' })).rejects.toThrow('409')
  await expect(ben('PATCH', '/courses/999', { title: 'None', seats: 1 })).rejects.toThrow('404')
  await expect(ben('POST', '/courses', { title: '', seats: 1 })).rejects.toThrow('422')
  await ben('PATCH', `/courses/${id}`, { title: 'Knots', seats: 2 })
  await expect(row(ana, 'Knots').getByTestId('seats')).toHaveText('2')
  // The last change is the only one after the booking.
  expect(await frames(ana, 'message')).toBe(before + 1)
})

test('the last seat goes to one of two, and the other is told why not', async ({ open }) => {
  const [ana, ben] = [await open('tables', 'ana'), await open('tables', 'ben')]
  await course(ana, 'Knots', 1)
  for (const page of [ana, ben]) await page.getByTestId('show-bookings').click()
  for (const page of [ana, ben]) await expect(page.getByTestId('booking-course')).toBeVisible()
  await Promise.all([book(ana, 'Ana'), book(ben, 'Ben')])
  for (const page of [ana, ben]) await expect(page.getByTestId('booking')).toHaveCount(1)
  const refused = async (): Promise<string[]> =>
    (await Promise.all([ana, ben].map((page) => page.getByTestId('error').allTextContents()))).flat()
  await expect.poll(refused).toEqual(['This course is full.'])
})

test('a table subscribes while it is shown; `*` brings the changes of all', async ({ open, front }) => {
  const [ana, ben] = [await open('tables', 'ana'), await open('tables', 'ben')]
  await course(ben, 'Knots', 5)
  await ana.getByTestId('show-bookings').click()
  await ana.getByTestId('watch-all').click()
  await expect.poll(() => confirmed(ana)).toContain('table:*')
  await ana.getByTestId('show-courses').click()
  await ben.getByTestId('show-bookings').click()
  await book(ben, 'Ben')
  await expect(ana.getByTestId('change').first()).toContainText('booking changed')
  await ana.getByTestId('watch-all').click()
  await expect.poll(() => front.seen('/a/api/tables/events/unsubscribe').length).toBeGreaterThanOrEqual(1)
})

test('a token that ends is renewed on the open stream, which loses nothing', async ({ open, front }) => {
  const ana = await open('tables', 'ana')
  await expect.poll(() => front.seen('/a/api/tables/events/refresh').length, { timeout: 20_000 }).toBeGreaterThanOrEqual(2)
  expect(front.seen('/a/api/tables/events')).toHaveLength(1)
  expect(await frames(ana, 'connected')).toBe(1)
  for (const { query } of front.seen('/a/api/tables/events')) expect(query.has('token')).toBe(false)
  await course(ana, 'Knots', 2)
})

test('without a token, or with one that is not ours, nothing is answered', async ({ apps }) => {
  const api = await Api.login(apps.server.url, 'ana')
  const paths = ['/tables/courses', '/tables/events/check']
  for (const path of paths) {
    await expect(api.send('GET', path)).rejects.toThrow('401')
    await expect(api.send('GET', path, undefined, { Authorization: 'Bearer a.b.c' })).rejects.toThrow('401')
  }
})

test('after five attempts it is the user’s turn', async ({ open, apps, front }) => {
  const ana = await open('tables', 'ana')
  await course(ana, 'Knots', 2)
  await mark(ana)
  front.refuse({ status: 503, code: 'unavailable' })
  front.cut()
  // The waits are random, and add up to half a minute at most.
  test.setTimeout(60_000)
  await expect(ana.getByTestId('state')).toHaveText('Offline', { timeout: 45_000 })
  const attempts = front.seen('/a/api/tables/events').filter(({ refused }) => refused).length
  expect(attempts).toBe(5)
  await (await withToken(apps.server.url, 'ben'))('POST', '/courses', { title: 'Meanwhile', seats: 1 })
  front.accept()
  await ana.getByTestId('state-retry').click()
  await live(ana)
  await expect(row(ana, 'Meanwhile')).toBeVisible()
  expect(await isMarked(ana)).toBe(true)
})

test('a killed server brings the tables what was changed meanwhile', async ({ open, apps }) => {
  const [ana, ben] = [await open('tables', 'ana'), await open('tables', 'ben')]
  await course(ana, 'Knots', 2)
  await apps.server.kill()
  await apps.elsewhere(async (api) => {
    const { token } = await api.post('/tables/token')
    await api.post('/tables/courses', { title: 'From elsewhere', seats: 1 }, { Authorization: `Bearer ${token}` })
  })
  await apps.server.restart()
  for (const page of [ana, ben]) await expect(row(page, 'From elsewhere')).toBeVisible({ timeout: 15_000 })
})

test('offline and back: what two other devices changed meanwhile is there, without a reload', async ({ open, front }) => {
  const [ana, phone, ben] = [await open('tables', 'ana'), await open('tables', 'ana'), await open('tables', 'ben')]
  await course(ana, 'Knots', 2)
  await expect(row(phone, 'Knots')).toBeVisible()
  await mark(ana)
  await ana.context().setOffline(true)
  front.cut()
  await expect(ana.getByTestId('state')).not.toHaveAttribute('data-state', 'open')
  for (const page of [phone, ben]) await live(page)
  await course(phone, 'From the phone', 1)
  await course(ben, 'From Ben', 1)
  await expect(row(ana, 'From Ben')).toHaveCount(0)
  await ana.context().setOffline(false)
  await live(ana)
  for (const title of ['Knots', 'From the phone', 'From Ben']) await expect(row(ana, title)).toHaveCount(1)
  expect(await isMarked(ana)).toBe(true)
})

test('a change between the first fetch and the confirmation is not missed', async ({ open, apps, front }) => {
  const ana = await open('tables', 'ana')
  await course(ana, 'Knots', 2)
  const release = front.hold('/a/api/tables/events/subscribe')
  const fetched = ana.waitForResponse((response) => response.url().endsWith('/a/api/tables/bookings'))
  await ana.getByTestId('show-bookings').click()
  expect(await (await fetched).json()).toEqual([])
  const ben = await withToken(apps.server.url, 'ben')
  const [{ id }] = await ben('GET', '/courses')
  await ben('POST', '/bookings', { course: id, guest: 'Ben' })
  release()
  await expect(ana.getByTestId('booking')).toHaveCount(1)
})
