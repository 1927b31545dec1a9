// Two users on three devices: events for one user, for a room, and for everyone.
import { type Page, type Request } from '@playwright/test'
import { Api, expect, frames, isMarked, live, mark, test } from './app.ts'

async function add(page: Page, text: string): Promise<void> {
  await page.getByTestId('new-note').fill(text)
  await page.getByTestId('add-note').click()
  await expect(note(page, text)).toHaveCount(1)
}

const note = (page: Page, text: string) => page.getByTestId('note-text').getByText(text, { exact: true })
const room = (page: Page, name: string): Promise<void> => page.getByTestId(`room-${name}`).click()

test('a note of one’s own is on all devices of its user, and on nobody else’s', async ({ open }) => {
  const [laptop, phone, ben] = [await open('notes', 'ana'), await open('notes', 'ana'), await open('notes', 'ben')]
  await add(laptop, 'Buy tea')
  await expect(note(phone, 'Buy tea')).toBeVisible()
  await phone.getByRole('button', { name: 'Edit: Buy tea' }).click()
  await phone.getByTestId('edit-note').fill('Buy green tea')
  await phone.getByTestId('save-note').click()
  await expect(note(laptop, 'Buy green tea')).toBeVisible()
  await laptop.getByRole('button', { name: 'Delete: Buy green tea' }).click()
  await expect(phone.getByTestId('note')).toHaveCount(0)
  // Ben's stream never carried the event addressed to Ana.
  expect(await frames(ben, 'message')).toBe(0)
})

test('a note in a room reaches those who have the room open, and leaving it unsubscribes', async ({ open, front }) => {
  const [ana, ben] = [await open('notes', 'ana'), await open('notes', 'ben')]
  for (const page of [ana, ben]) await room(page, 'kitchen')
  await expect.poll(() => frames(ben, 'subscribed')).toBeGreaterThanOrEqual(1)
  await add(ana, 'The kettle is on')
  await expect(note(ben, 'The kettle is on')).toBeVisible()

  await room(ben, 'garden')
  await expect.poll(() => front.seen('/a/api/events/unsubscribe').length).toBeGreaterThanOrEqual(1)
  const before = await frames(ben, 'message')
  await add(ana, 'And off again')
  await ana.getByTestId('announcement').fill('Come to the garden')
  await ana.getByTestId('announce').click()
  await expect(ben.getByTestId('announced')).toContainText('Come to the garden')
  // The announcement was published after the note, and is the only event that arrived.
  expect(await frames(ben, 'message')).toBe(before + 1)
})

test('an announcement to the whole feature reaches everybody but the tab that made it', async ({ open }) => {
  const [laptop, phone, ben] = [await open('notes', 'ana'), await open('notes', 'ana'), await open('notes', 'ben')]
  await laptop.getByTestId('announcement').fill('Dinner is ready')
  await laptop.getByTestId('announce').click()
  for (const page of [phone, ben]) await expect(page.getByTestId('announced')).toContainText('ana: Dinner is ready')
  for (const page of [laptop, phone, ben]) await expect(page.getByTestId('announcement-row')).toHaveCount(1)
  await expect(laptop.getByTestId('announced')).toHaveCount(0)
})

test('two tabs of a browser share one connection', async ({ open, front }) => {
  const first = await open('notes', 'ana')
  const second = await open('notes', 'ana', first.context())
  await add(first, 'Once')
  await expect(note(second, 'Once')).toBeVisible()
  expect(front.streams).toBe(1)
})

test('a note that is written between the first fetch and the confirmation is not missed', async ({ open, front, apps }) => {
  const ana = await open('notes', 'ana')
  const ben = await Api.login(apps.server.url, 'ben')
  // The notes are fetched at once, while the subscription is still in flight.
  const release = front.hold('/a/api/events/subscribe')
  const fetched = ana.waitForResponse((response) => response.url().endsWith('/a/api/notes?room=garden'))
  await room(ana, 'garden')
  expect(await (await fetched).json()).toEqual([])
  await ben.post('/notes', { room: 'garden', text: 'In between' })
  release()
  await expect(note(ana, 'In between')).toBeVisible()
})

test('a killed server brings what was missed when it is back', async ({ open, apps }) => {
  const [ana, ben] = [await open('notes', 'ana'), await open('notes', 'ben')]
  for (const page of [ana, ben]) {
    await room(page, 'kitchen')
    await mark(page)
  }
  await apps.server.kill()
  for (const page of [ana, ben]) await expect(page.getByTestId('state')).toContainText('Reconnecting')
  await apps.elsewhere((api) => api.post('/notes', { room: 'kitchen', text: 'From elsewhere' }))
  await apps.server.restart()
  for (const page of [ana, ben]) {
    await expect(note(page, 'From elsewhere')).toBeVisible({ timeout: 15_000 })
    await live(page)
    expect(await isMarked(page)).toBe(true)
    await expect(page.getByTestId('gap-notice')).toHaveCount(0)
  }
})

test('offline and back: what others wrote meanwhile appears, and nothing is polled', async ({ open, apps, front }) => {
  const ana = await open('notes', 'ana')
  await ana.context().setOffline(true)
  front.cut()
  await expect(ana.getByTestId('state')).not.toHaveAttribute('data-state', 'open')
  await (await Api.login(apps.server.url, 'ana')).post('/notes', { text: 'Written on the phone' })
  const asked: Request[] = []
  ana.on('request', (request) => void asked.push(request))
  await ana.context().setOffline(false)
  await expect(note(ana, 'Written on the phone')).toBeVisible()
  expect(asked.filter((request) => request.url().endsWith('/a/api/notes')).length).toBeLessThanOrEqual(2)
})
