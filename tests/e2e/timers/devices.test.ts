// Two browsers, two devices of one user.
import { expect, test } from './app.ts'

test('a timer started on one device runs on the other, and is stopped from there', async ({ device }) => {
  const [desk, phone] = [await device('Desk'), await device('Phone')]
  await desk.start('Write the report')
  for (const tab of [desk, phone]) {
    await expect(tab.get('title')).toHaveText('Write the report')
    await expect(tab.get('running-on')).toContainText('Desk')
  }
  await expect(desk.get('activity')).toHaveText('Started here')
  await expect(phone.get('activity')).toHaveText('Started on Desk')

  await phone.get('stop').click()
  for (const tab of [desk, phone]) await expect(tab.get('start-title')).toBeVisible()
  await expect(desk.get('activity')).toHaveText('Stopped on Phone')
})

test('a timer moves to another device, and back', async ({ device }) => {
  const [desk, phone] = [await device('Desk'), await device('Phone')]
  await desk.start('Write the report')
  await desk.row('Phone').getByTestId('move').click()
  for (const tab of [desk, phone]) await expect(tab.get('running-on')).toContainText('Phone')
  await expect(phone.get('activity')).toHaveText('Moved to this device')

  await desk.row('Desk').getByTestId('move').click()
  for (const tab of [desk, phone]) await expect(tab.get('running-on')).toContainText('Desk')
  await expect(phone.get('activity')).toHaveText('Moved to Desk')
})

test('the phases of a Pomodoro are the same on both', async ({ device }) => {
  const [desk, phone] = [await device('Desk'), await device('Phone')]
  await desk.start('Write the report', 'pomodoro')
  await expect(phone.get('phase')).toHaveAttribute('data-phase', 'focus')
  await phone.get('phase-next').click()
  for (const tab of [desk, phone]) await expect(tab.get('phase')).toHaveAttribute('data-phase', 'shortBreak')
  await desk.get('phase-next').click()
  for (const tab of [desk, phone]) await expect(tab.get('phase')).toHaveAttribute('data-phase', 'focus')
  await expect(phone.get('activity')).toHaveText('Focus began on Desk')
})

test('the list shows which devices are online, as they come and go', async ({ device }) => {
  const [desk, phone] = [await device('Desk'), await device('Phone')]
  for (const tab of [desk, phone]) {
    for (const name of ['Desk', 'Phone']) await expect(tab.dot(name)).toHaveAttribute('data-online', 'true')
  }
  const second = await phone.sibling()
  await expect(second.dot('Phone')).toHaveAttribute('data-online', 'true')
  await phone.page.close()
  // Its other tab is still there.
  await second.rename('Mobile')
  await expect(desk.dot('Mobile')).toHaveAttribute('data-online', 'true')
  await second.page.context().close()
  await expect(desk.dot('Mobile')).toHaveAttribute('data-online', 'false')
  await expect(desk.dot('Desk')).toHaveAttribute('data-online', 'true')

  const tablet = await device('Tablet')
  await expect(desk.dot('Tablet')).toHaveAttribute('data-online', 'true')
  await expect(tablet.dot('Mobile')).toHaveAttribute('data-online', 'false')
})

test('a timer is on both devices of its user, and nothing of it reaches another user', async ({ device }) => {
  const [desk, phone, bens] = [await device('Desk'), await device('Phone'), await device('Laptop', 'ben')]
  await desk.start('Write the report')
  await expect(phone.get('title')).toHaveText('Write the report')
  // An event for Ben arrives after everything that was published before it.
  await bens.start('Read the mail')
  await expect(bens.get('title')).toHaveText('Read the mail')
  const another = await bens.sibling()
  await expect(another.get('state')).toHaveAttribute('data-state', 'open')
  await bens.get('stop').click()
  await expect(another.get('activity')).toHaveText('Stopped in another tab')
  // The two tabs share this one's stream, which carries Ben's events and none of Ana's.
  const frames = await bens.page.evaluate(() => received.map(({ data }) => data).join(' '))
  expect(frames).toContain('Read the mail')
  expect(frames).not.toContain('Write the report')
  await expect(bens.row('Desk')).toHaveCount(0)
  await expect(desk.row('Laptop')).toHaveCount(0)
  await expect(phone.get('title')).toHaveText('Write the report')
})
