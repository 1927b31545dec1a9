// What people see, and what screen readers announce: axe-core, light and dark, a phone's width, the keyboard.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from '@playwright/test'
import axe from 'axe-core'
import { Api, type App, expect, test } from './app.ts'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** The faults found by axe-core that keep people out. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(source)
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run())
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`))
}

/** Creates content in each app. */
async function furnish(url: string): Promise<void> {
  const [ana, ben] = [await Api.login(url, 'ana'), await Api.login(url, 'ben')]
  await ana.post('/timers/start', { title: 'Write the report', mode: 'pomodoro' }, { 'X-Device-Id': 'laptop' })
  for (const [text, room] of [['Buy tea'], ['The kettle is on', 'kitchen']]) await ana.post('/notes', { text, room })
  await ben.post('/announcements', { text: 'Dinner is ready' })
  await ana.post('/friends/request', { user: 'ben' })
  await ben.send('PUT', `/friends/request/${(await ben.get('/friends')).requests[0].id}`, { accept: true })
  const [{ id }] = await ana.get('/conversations')
  await ben.post(`/conversations/${id}/messages`, { text: 'Shall we meet at the usual place?' })
  const { token } = await ana.post('/tables/token')
  const bearer = { Authorization: `Bearer ${token}` }
  await ana.post('/tables/courses', { title: 'Rust for gardeners', seats: 12 }, bearer)
  await ana.post('/tables/courses', { title: 'Knots', seats: 2 }, bearer)
  const { projectId } = await ana.post('/projects', { name: 'Apollo' })
  await ana.post(`/projects/${projectId}/members`, { user: 'ben' })
  const items: Record<string, string> = {}
  for (const [entity, name] of [['label', 'urgent'], ['category', 'writing'], ['task', 'Write the report'], ['task', 'Water the plants']]) {
    items[name!] = (await ana.post(`/projects/${projectId}/items`, { entity, name })).id
  }
  await ana.send('PATCH', `/items/${items['Water the plants']}`, { done: true, label: Number(items.urgent) })
}

/** Waits until each app shows all of its content. */
const furnished: Record<App, (page: Page) => Promise<void>> = {
  timers: (page) => expect(page.getByTestId('title')).toBeVisible(),
  notes: async (page) => {
    await page.getByTestId('room-kitchen').click()
    await expect(page.getByTestId('note')).toHaveCount(1)
  },
  chat: async (page) => {
    await page.getByTestId('thread').click()
    await page.getByTestId('bell').click()
    await expect(page.getByTestId('message')).toHaveCount(1)
  },
  tables: async (page) => {
    await page.getByTestId('watch-all').click()
    await expect(page.getByTestId('course')).toHaveCount(2)
  },
  tasks: (page) => expect(page.getByTestId('task')).toHaveCount(2),
}

for (const app of ['timers', 'notes', 'chat', 'tables', 'tasks'] as const) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`${app}, ${colorScheme}: axe-core finds nothing serious, wide or narrow, and nothing sticks out of a phone`, async ({ browser, apps }) => {
      await furnish(apps.server.url)
      const context = await browser.newContext({ colorScheme, viewport: { width: 1100, height: 900 }, reducedMotion: 'reduce' })
      const page = await context.newPage()
      await page.goto(`${apps.server.url}/a/${app}/`)
      expect(await faults(page)).toEqual([])
      await page.getByTestId('login-user').fill('ana')
      await page.keyboard.press('Enter')
      await expect(page.getByTestId('state')).toHaveText('Live')
      await furnished[app](page)
      expect(await faults(page)).toEqual([])
      const shots = process.env.SCREENSHOTS
      if (shots) await page.screenshot({ path: `${shots}/${app}-${colorScheme}.png` })
      await page.setViewportSize({ width: 360, height: 740 })
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
      expect(await faults(page)).toEqual([])
      if (shots) await page.screenshot({ path: `${shots}/${app}-${colorScheme}-phone.png`, fullPage: true })
      await context.close()
    })
  }
}

test('the start page: axe-core finds nothing serious, and it fits a phone', async ({ browser, apps }) => {
  await furnish(apps.server.url)
  for (const colorScheme of ['light', 'dark'] as const) {
    const context = await browser.newContext({ colorScheme, viewport: { width: 1400, height: 1000 } })
    const page = await context.newPage()
    for (const app of ['', '#notes', '#tasks', '#chat', '#timers', '#tables']) {
      await page.goto(`${apps.server.url}/${app}`)
      await page.reload()
      if (app) for (const index of [0, 1]) await expect(page.frameLocator('iframe').nth(index).getByTestId('state')).toHaveText('Live')
      expect(await faults(page)).toEqual([])
      if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/start-${app.slice(1)}-${colorScheme}.png` })
    }
    await page.setViewportSize({ width: 360, height: 740 })
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
    await context.close()
  }
})

test('the keyboard alone is enough to write, change and delete', async ({ open }) => {
  const page = await open('notes', 'ana')
  await page.getByTestId('new-note').focus()
  await page.keyboard.type('By keyboard')
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('note-text')).toHaveText('By keyboard')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  await expect(page.getByRole('button', { name: 'Edit: By keyboard' })).toBeFocused()
  await page.keyboard.press('Enter')
  await page.keyboard.type(' alone')
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('note-text')).toHaveText('By keyboard alone')
})
