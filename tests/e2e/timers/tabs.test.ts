// Several tabs of one device.
import { expect, test } from './app.ts'

test('the tab that acts gets no echo; the device’s other tab and the other device get the event', async ({ device }) => {
  const desk = await device('Desk')
  const sibling = await desk.sibling()
  await expect(sibling.get('state')).toHaveAttribute('data-state', 'open')
  const phone = await device('Phone')

  await desk.start('Write the report')
  await expect(sibling.get('title')).toHaveText('Write the report')
  await expect(sibling.get('activity')).toHaveText('Started in another tab')
  await expect(phone.get('activity')).toHaveText('Started on Desk')
  await phone.get('stop').click()
  await expect(desk.get('activity')).toHaveText('Stopped on Phone')

  // The stop has arrived, so the earlier start never will: it would read “in another tab”.
  await expect(sibling.get('activity')).toHaveText('Stopped on Phone')
  expect((await desk.shown()).activities).toEqual(['Started here', 'Stopped on Phone'])
  expect((await sibling.shown()).activities).toEqual(['Started in another tab', 'Stopped on Phone'])
  expect((await phone.shown()).activities).toEqual(['Started on Desk', 'Stopped here'])
})

test('five tabs of one device follow, and any of them may act', async ({ device }) => {
  const tabs = [await device('Desk')]
  for (let n = 1; n < 5; n++) {
    const tab = await tabs[0]!.sibling()
    await expect(tab.get('state')).toHaveAttribute('data-state', 'open')
    tabs.push(tab)
  }
  await tabs[4]!.start('Write the report')
  for (const tab of tabs) await expect(tab.get('title')).toHaveText('Write the report')
  await tabs[2]!.get('stop').click()
  for (const tab of tabs) await expect(tab.get('start-title')).toBeVisible()
  await expect(tabs[0]!.get('device-row')).toHaveCount(1)
})

test('logging out in one tab shows the login in the others', async ({ device }) => {
  const desk = await device('Desk')
  const sibling = await desk.sibling()
  await expect(sibling.get('state')).toHaveAttribute('data-state', 'open')
  await desk.get('logout').click()
  for (const tab of [desk, sibling]) await expect(tab.get('login-user')).toBeVisible()
})
