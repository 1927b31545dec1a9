// Friends, conversations and groups: who receives which event, and that the page does not poll.
import type { Page } from '@playwright/test'
import { Api, expect, isMarked, live, mark, test } from './app.ts'

/** Makes two users friends through the API. Resolves with their conversation. */
async function befriend(url: string, one: string, other: string): Promise<number> {
  const [a, b] = [await Api.login(url, one), await Api.login(url, other)]
  await a.post('/friends/request', { user: other })
  const { requests } = await b.get('/friends')
  await b.send('PUT', `/friends/request/${requests[0].id}`, { accept: true })
  return (await a.get('/conversations')).find(({ name }: { name: string }) => name === other).id
}

const thread = (page: Page, name: string) => page.getByTestId('thread').filter({ hasText: name })

async function say(page: Page, text: string): Promise<void> {
  await page.getByTestId('text').fill(text)
  await page.getByTestId('send').click()
  await expect(page.getByTestId('text')).toHaveValue('')
}

/** The events that a user's only tab has received: their labels and, for a notification, its kind. */
const labels = (page: Page): Promise<string[]> =>
  page.evaluate(() =>
    received
      .filter(({ name }) => name === 'message')
      .map(({ data }) => JSON.parse(data))
      // Tabs may share a stream, so it carries events that only some of them receive; the client checks this field.
      .filter(({ except }) => except?.userId !== document.querySelector('[data-testid=user]')!.textContent)
      .map(({ channel, payload }) => (payload?.kind ? `${channel} ${payload.kind}` : channel)),
  )

test('a friend request rings the receiver, its acceptance the sender, and both have a conversation', async ({ open }) => {
  const [ana, ben] = [await open('chat', 'ana'), await open('chat', 'ben')]
  await ana.getByTestId('friend-name').fill('ben')
  await ana.getByTestId('ask').click()
  await expect(ben.getByTestId('bell-count')).toHaveText('1')
  await ben.getByTestId('request').getByRole('button', { name: 'Accept' }).click()
  await expect(ana.getByTestId('bell-count')).toHaveText('1')
  for (const [page, other] of [[ana, 'ben'], [ben, 'ana']] as const) {
    await expect(thread(page, other)).toBeVisible()
    await expect(thread(page, other).getByTestId('online')).toHaveAttribute('data-online', 'true')
  }
  await ana.getByTestId('bell').click()
  await expect(ana.getByTestId('notification')).toHaveText('ben is now your friend')
  await expect(ana.getByTestId('bell-count')).toHaveCount(0)
  expect(await labels(ben)).toEqual(['notification friendRequest'])
  expect(await labels(ana)).toEqual(['notification friendAccepted', 'conversation_update'])
})

test('a message reaches the other member, the sender’s other device, and nobody else; unread is counted', async ({ open, apps }) => {
  await befriend(apps.server.url, 'ana', 'ben')
  const [laptop, phone] = [await open('chat', 'ana'), await open('chat', 'ana')]
  const [ben, eve] = [await open('chat', 'ben'), await open('chat', 'eve')]
  for (const page of [laptop, phone]) await thread(page, 'ben').click()
  await expect(phone.getByText('Say hello.')).toBeVisible()
  await say(laptop, 'Hello, Ben')
  for (const page of [laptop, phone]) await expect(page.getByTestId('message-text')).toHaveText('Hello, Ben')
  await expect(thread(ben, 'ana').getByTestId('unread')).toHaveText('1')
  await thread(ben, 'ana').click()
  await expect(ben.getByTestId('message-text')).toHaveText('Hello, Ben')
  await say(ben, 'Hello, Ana')
  for (const page of [laptop, phone]) await expect(page.getByTestId('message-text').last()).toHaveText('Hello, Ana')
  // One message makes three events, each for its own receivers.
  expect((await labels(ben)).slice(0, 3)).toEqual(['message', 'notification message', 'conversation_update'])
  expect(await labels(eve)).toEqual([])
})

test('reading on one device clears the count on the other', async ({ open, apps }) => {
  const id = await befriend(apps.server.url, 'ana', 'ben')
  const [laptop, phone] = [await open('chat', 'ana'), await open('chat', 'ana')]
  await (await Api.login(apps.server.url, 'ben')).post(`/conversations/${id}/messages`, { text: 'Are you there?' })
  for (const page of [laptop, phone]) await expect(thread(page, 'ben').getByTestId('unread')).toHaveText('1')
  await thread(laptop, 'ben').click()
  await expect(thread(phone, 'ben').getByTestId('unread')).toHaveCount(0)
})

test('a message to a group reaches all its members, each once', async ({ open, apps }) => {
  for (const friend of ['ben', 'cleo']) await befriend(apps.server.url, 'ana', friend)
  const [ana, ben, cleo] = [await open('chat', 'ana'), await open('chat', 'ben'), await open('chat', 'cleo')]
  for (const friend of ['ben', 'cleo']) await ana.getByTestId('friend').getByLabel(friend).check()
  await ana.getByTestId('group-name').fill('Tea')
  await ana.getByTestId('create-group').click()
  for (const page of [ana, ben, cleo]) await thread(page, '# Tea').click()
  await say(ana, 'Four o’clock?')
  for (const page of [ben, cleo]) await expect(page.getByTestId('message-text')).toHaveText('Four o’clock?')
  expect((await labels(ben)).filter((label) => label !== 'group_update')).toEqual(['message', 'notification message'])
})

test('a user who closes the last tab goes offline for their friends', async ({ open, apps }) => {
  await befriend(apps.server.url, 'ana', 'ben')
  const [ana, ben] = [await open('chat', 'ana'), await open('chat', 'ben')]
  await expect(thread(ana, 'ben').getByTestId('online')).toHaveAttribute('data-online', 'true')
  await ben.close()
  await expect(thread(ana, 'ben').getByTestId('online')).toHaveAttribute('data-online', 'false', { timeout: 15_000 })
})

test('nothing is polled: a page at rest asks for nothing', async ({ open, apps }) => {
  await befriend(apps.server.url, 'ana', 'ben')
  const ana = await open('chat', 'ana')
  await thread(ana, 'ben').click()
  await expect(ana.getByText('Say hello.')).toBeVisible()
  await ana.waitForLoadState('load')
  const asked: string[] = []
  ana.on('request', (request) => void asked.push(new URL(request.url()).pathname))
  // Longer than each interval at which the home-made system polled, so that a poll would be noticed.
  await ana.clock.install()
  await ana.clock.runFor(60_000)
  expect(asked.filter((path) => !path.startsWith('/a/api/events'))).toEqual([])
})

test('a killed server and a message meanwhile: no reload, no gap, nothing twice', async ({ open, apps }) => {
  const id = await befriend(apps.server.url, 'ana', 'ben')
  const [ana, ben] = [await open('chat', 'ana'), await open('chat', 'ben')]
  await thread(ana, 'ben').click()
  await thread(ben, 'ana').click()
  await say(ben, 'Before')
  await expect(ana.getByTestId('message-text')).toHaveText('Before')
  for (const page of [ana, ben]) await mark(page)
  await apps.server.kill()
  await apps.elsewhere((api) => api.post(`/conversations/${id}/messages`, { text: 'Meanwhile' }), 'ben')
  await apps.server.restart()
  await expect(ana.getByTestId('message-text')).toHaveText(['Before', 'Meanwhile'], { timeout: 15_000 })
  for (const page of [ana, ben]) {
    await live(page)
    expect(await isMarked(page)).toBe(true)
    await expect(page.getByTestId('gap-notice')).toHaveCount(0)
  }
})

test('offline and back brings the messages and the bell up to date', async ({ open, apps, front }) => {
  const id = await befriend(apps.server.url, 'ana', 'ben')
  const ana = await open('chat', 'ana')
  await thread(ana, 'ben').click()
  await expect(ana.getByText('Say hello.')).toBeVisible()
  await ana.getByTestId('bell').click()
  await ana.context().setOffline(true)
  front.cut()
  const ben = await Api.login(apps.server.url, 'ben')
  for (const text of ['One', 'Two']) await ben.post(`/conversations/${id}/messages`, { text })
  await ana.context().setOffline(false)
  await expect(ana.getByTestId('message-text')).toHaveText(['One', 'Two'])
  await expect(ana.getByTestId('notification').filter({ hasText: 'ben wrote to you' })).toHaveCount(2)
})

test('a change between the first fetch and the stream is not missed', async ({ open, apps, front }) => {
  const id = await befriend(apps.server.url, 'ana', 'ben')
  const ana = await open('chat', 'ana')
  const release = front.hold('/a/api/events')
  const fetched = ['/conversations', '/notifications'].map((path) =>
    ana.waitForResponse((response) => response.url().endsWith(`/a/api${path}`)),
  )
  await ana.reload()
  await Promise.all(fetched)
  await (await Api.login(apps.server.url, 'ben')).post(`/conversations/${id}/messages`, { text: 'In between' })
  release()
  await expect(thread(ana, 'ben').getByTestId('unread')).toHaveText('1')
  await expect(ana.getByTestId('bell-count')).toHaveText('2')
})

test('a connection that keeps breaking, in the midst of frames, brings each message once and in order', async ({ open, apps, front }) => {
  test.slow()
  const id = await befriend(apps.server.url, 'ana', 'ben')
  const ana = await open('chat', 'ana')
  await thread(ana, 'ben').click()
  await expect(ana.getByText('Say hello.')).toBeVisible()
  front.cutEvery(900, 4)
  front.cut()
  const ben = await Api.login(apps.server.url, 'ben')
  const texts = Array.from({ length: 12 }, (_, index) => `Message ${index + 1}`)
  for (const text of texts) await ben.post(`/conversations/${id}/messages`, { text })
  // Five streams that end in a row are five failures; the waits between them add up to 31 s at most.
  await expect(ana.getByTestId('message-text')).toHaveText(texts, { timeout: 45_000 })
  expect(front.cuts.length).toBeGreaterThanOrEqual(3)
  await expect(ana.getByTestId('gap-notice')).toHaveCount(0)
})
