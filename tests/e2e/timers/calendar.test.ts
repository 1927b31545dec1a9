// The calendar, on all devices of its user.
import { expect, test } from './app.ts'

test('an entry that is created, changed or deleted on one device is so on the others', async ({ device }) => {
  const [desk, phone] = [await device('Desk'), await device('Phone')]
  await desk.get('entry-title').fill('Dentist')
  await desk.get('entry-when').fill('2030-05-06T10:00')
  await desk.get('entry-save').click()
  for (const tab of [desk, phone]) await expect(tab.get('entry')).toContainText('Dentist')
  await phone.page.getByRole('button', { name: 'Change: Dentist' }).click()
  await phone.get('entry-title').fill('Dentist, with Ben')
  await phone.get('entry-save').click()
  for (const tab of [desk, phone]) await expect(tab.get('entry')).toContainText('Dentist, with Ben')
  await desk.page.getByRole('button', { name: 'Delete: Dentist, with Ben' }).click()
  for (const tab of [desk, phone]) await expect(tab.get('entry')).toHaveCount(0)
  expect(await phone.events('calendar')).toEqual(['event_created', 'event_updated', 'event_deleted'])
})

test('entries that another process made while the server was dead are there when it is back', async ({ apps, device }) => {
  const desk = await device('Desk')
  await apps.server.kill()
  await apps.elsewhere((api) => api.post('/calendar', { title: 'Made elsewhere', startsAt: 1_900_000_000_000 }))
  await apps.server.restart()
  await expect(desk.get('entry')).toContainText('Made elsewhere', { timeout: 15_000 })
  expect((await desk.shown()).gaps).toBe(0)
})
