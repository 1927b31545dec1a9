// The app when its server crashes or refuses: it shows that, recovers without a reload, and shows the true state.
import { Api, type Apps } from '../support/apps.ts'
import { expect, test, type Tab } from './app.ts'

/** Marks the page, so that a reload would be noticed. */
const mark = (tab: Tab): Promise<void> => tab.page.evaluate(() => void Object.assign(globalThis, { marked: true }))
const isMarked = (tab: Tab): Promise<boolean> => tab.page.evaluate(() => 'marked' in globalThis)

test.describe('without anything between browser and server', () => {
  test.use({ entry: ({ apps }, use) => use(apps.server.url) })

  async function killed(apps: Apps, tabs: Tab[]): Promise<void> {
    await tabs[0]!.start('Before the crash')
    for (const tab of tabs) {
      await expect(tab.get('title')).toHaveText('Before the crash')
      await mark(tab)
    }
    await apps.server.kill()
    for (const tab of tabs) await expect(tab.get('state')).toContainText('Reconnecting')
    await apps.elsewhere((api) => api.post('/timers/start', { title: 'While nobody looked', mode: 'pomodoro' }))
  }

  async function back(tabs: Tab[]): Promise<void> {
    for (const tab of tabs) {
      await expect(tab.get('state')).toHaveText('Live', { timeout: 15_000 })
      await expect(tab.get('title')).toHaveText('While nobody looked')
      await expect(tab.get('phase')).toHaveAttribute('data-phase', 'focus')
      // Before it connects, the page is as a server would have rendered it.
      const states = (await tab.shown()).states.filter((state) => state !== 'idle')
      expect(states.slice(0, 3)).toEqual(['connecting', 'open', 'waiting'])
      expect(states.slice(-2)).toEqual(['connecting', 'open'])
      expect(states.filter((state) => state === 'open')).toHaveLength(2)
      expect(await isMarked(tab)).toBe(true)
    }
    await tabs[1]!.get('stop').click()
    await expect(tabs[0]!.get('start-title')).toBeVisible()
  }

  test('a killed server comes back with a changed database: its log brings both devices what they missed', async ({ apps, device }) => {
    const tabs = [await device('Desk'), await device('Phone')]
    await killed(apps, tabs)
    await apps.server.restart()
    await back(tabs)
    for (const tab of tabs) expect((await tab.shown()).gaps).toBe(0)
  })

  test('where the log is lost as well, both devices are told, and show what is true', async ({ apps, device }) => {
    const tabs = [await device('Desk'), await device('Phone')]
    await killed(apps, tabs)
    await apps.loseLog()
    await apps.server.restart()
    await back(tabs)
    for (const tab of tabs) await expect.poll(async () => (await tab.shown()).gaps).toBe(1)
  })
})

test('a 503 is shown as reconnecting; what was missed comes by replay when it is over, without a gap', async ({ front, device }) => {
  const [desk, phone] = [await device('Desk'), await device('Phone')]
  front.refuse({ status: 503, code: 'unavailable', headers: { 'Retry-After': '1' } })
  front.cut()
  for (const tab of [desk, phone]) await expect(tab.get('state')).toContainText('Reconnecting')
  await desk.start('While the streams were away')
  await expect(desk.get('title')).toHaveText('While the streams were away')
  expect(await phone.get('title').count()).toBe(0)

  front.accept()
  for (const tab of [desk, phone]) await expect(tab.get('state')).toHaveAttribute('data-state', 'open')
  await expect(phone.get('title')).toHaveText('While the streams were away')
  await expect(phone.get('activity')).toHaveText('Started on Desk')
  expect(await phone.events('timer')).toEqual(['started'])
  for (const tab of [desk, phone]) expect((await tab.shown()).gaps).toBe(0)
})

test('offline and back: what the other device did meanwhile comes by replay, without a reload', async ({ front, device }) => {
  const [desk, phone] = [await device('Desk'), await device('Phone')]
  await mark(phone)
  await phone.page.context().setOffline(true)
  front.cut()
  await expect(phone.get('state')).not.toHaveAttribute('data-state', 'open')
  await expect(desk.get('state')).toHaveAttribute('data-state', 'open')
  await desk.start('While the phone was away')
  await expect(desk.get('title')).toHaveText('While the phone was away')
  await phone.page.context().setOffline(false)
  await expect(phone.get('title')).toHaveText('While the phone was away')
  await expect(phone.get('state')).toHaveAttribute('data-state', 'open')
  expect(await phone.events('timer')).toEqual(['started'])
  expect((await phone.shown()).gaps).toBe(0)
  expect(await isMarked(phone)).toBe(true)
})

test('a 401 of the stream alone waits for the user, whose “Try now” goes on', async ({ front, device }) => {
  const desk = await device('Desk')
  front.refuse({ status: 401, code: 'credentialsExpired' })
  front.cut()
  // The longest wait, so that there is no burst of refused attempts.
  await expect(desk.get('state')).toContainText(/Reconnecting in (30|29|28) s/)
  const streams = front.seen('/a/api/events').length
  front.accept()
  await desk.get('state-retry').click()
  await expect(desk.get('state')).toHaveAttribute('data-state', 'open')
  expect(front.seen('/a/api/events')).toHaveLength(streams + 1)
})

test('a session that ended shows the login, and logging in again goes on', async ({ front, device }) => {
  const desk = await device('Desk')
  await desk.start('Write the report')
  await expect(desk.get('title')).toHaveText('Write the report')
  await mark(desk)
  await desk.page.context().clearCookies()
  front.cut()
  await expect(desk.get('login-user')).toBeVisible()
  await desk.login('ana')
  await expect(desk.get('title')).toHaveText('Write the report')
  await expect(desk.get('state')).toHaveAttribute('data-state', 'open')
  expect(await isMarked(desk)).toBe(true)
})

test('a timer that is started between the first fetch and the stream is not missed', async ({ apps, front, device }) => {
  const desk = await device('Desk')
  const release = front.hold('/a/api/events')
  const fetched = desk.page.waitForResponse((response) => response.url().endsWith('/a/api/timer'))
  await desk.page.reload()
  await fetched
  await (await Api.login(apps.server.url, 'ana')).post('/timers/start', { title: 'In between', mode: 'timer' })
  release()
  await expect(desk.get('title')).toHaveText('In between')
})
