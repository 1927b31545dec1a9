// The start page: two identities side by side, and buttons that inject faults.
import { expect, test } from './app.ts'

test.use({ viewport: { width: 1400, height: 1000 } })

test('opens each app in two frames, each its own user and device', async ({ page, front }) => {
  await page.goto(front.url)
  for (const app of ['Notes', 'Chat', 'Tables', 'Tasks', 'Timers']) {
    await page.getByRole('link', { name: app }).click()
    const users = app === 'Timers' ? ['ana', 'ana'] : ['ana', 'ben']
    for (const [index, user] of users.entries()) {
      const frame = page.frameLocator('iframe').nth(index)
      await expect(frame.getByTestId('user')).toHaveText(user)
      await expect(frame.getByTestId('state')).toHaveText('Live')
    }
  }
  const devices = front.seen('/a/api/events').concat(front.seen('/b/api/events')).map(({ query }) => query.get('deviceId'))
  expect(new Set(devices).size).toBe(2)
})

test('a stream that is cut comes back and goes on', async ({ page, front }) => {
  await page.goto(`${front.url}/#notes`)
  const [ana, ben] = [page.frameLocator('iframe').nth(0), page.frameLocator('iframe').nth(1)]
  for (const frame of [ana, ben]) {
    await expect(frame.getByTestId('state')).toHaveText('Live')
    await frame.getByTestId('room-kitchen').click()
  }
  const streams = front.seen('/b/api/events').length
  await page.getByRole('button', { name: 'Cut' }).nth(1).click()
  await ana.getByTestId('new-note').fill('While it was away')
  await ana.getByTestId('add-note').click()
  await expect(ben.getByTestId('note-text')).toHaveText('While it was away')
  expect(front.seen('/b/api/events').length).toBe(streams + 1)
  expect(front.seen('/a/api/events').length).toBe(1)
})

test('the hub stops for five seconds, and both pages go on where they stood', async ({ page, front }) => {
  await page.goto(`${front.url}/#tasks`)
  const [ana, ben] = [page.frameLocator('iframe').nth(0), page.frameLocator('iframe').nth(1)]
  for (const frame of [ana, ben]) await expect(frame.getByTestId('state')).toHaveText('Live')
  await ana.getByTestId('new-project').fill('Apollo')
  await ana.getByTestId('new-project-add').click()
  await ana.getByTestId('new-member').fill('ben')
  await ana.getByTestId('new-member-add').click()
  await expect(ben.getByTestId('project-name')).toHaveText('Apollo')
  await page.getByRole('button', { name: 'Stop the hub' }).click()
  for (const frame of [ana, ben]) await expect(frame.getByTestId('state')).not.toHaveText('Live')
  await ana.getByTestId('new-task').fill('Written while the hub was gone')
  await ana.getByTestId('new-task-add').click()
  await expect(ana.getByTestId('waiting')).toHaveCount(1)
  await expect(page.getByText('The hub is back.')).toBeVisible({ timeout: 15_000 })
  for (const frame of [ana, ben]) {
    await expect(frame.getByTestId('task-name')).toHaveText('Written while the hub was gone', { timeout: 15_000 })
    await expect(frame.getByTestId('state')).toHaveText('Live')
    await expect(frame.getByTestId('gap-notice')).toHaveCount(0)
  }
})
