// Events for one device, and for all devices but one.
import { expect, test } from './app.ts'

test('a device rings, in all its tabs and on no other; whether it is online is answered', async ({ device }) => {
  const [desk, phone, tablet] = [await device('Desk'), await device('Phone'), await device('Tablet')]
  const sibling = await phone.sibling()
  await expect(sibling.get('state')).toHaveAttribute('data-state', 'open')
  await desk.row('Phone').getByTestId('ring').click()
  for (const tab of [phone, sibling]) await expect(tab.get('ringing')).toContainText('Desk is looking for this device')
  await expect(desk.get('rings')).toHaveText(/Phone rings\./)
  await phone.page.context().close()
  await expect(desk.dot('Phone')).toHaveAttribute('data-online', 'false')
  await desk.row('Phone').getByTestId('ring').click()
  await expect(desk.get('rings').last()).toContainText('Phone is not online')
  expect(await tablet.events('ring')).toEqual([])
})

test('all others ring, and no tab of the device that asks', async ({ device }) => {
  const [desk, phone, tablet] = [await device('Desk'), await device('Phone'), await device('Tablet')]
  const sibling = await desk.sibling()
  await expect(sibling.get('state')).toHaveAttribute('data-state', 'open')
  await sibling.get('ring-others').click()
  for (const tab of [phone, tablet]) await expect(tab.get('ringing')).toBeVisible()
  // A later event shows that this one will never arrive.
  await phone.start('Afterwards')
  for (const tab of [desk, sibling]) {
    await expect(tab.get('title')).toHaveText('Afterwards')
    await expect(tab.get('ringing')).toHaveCount(0)
  }
})

test('the list says how many connections the user had; two tabs of a device share one', async ({ device }) => {
  const desk = await device('Desk')
  await device('Phone')
  const sibling = await desk.sibling()
  await expect(sibling.get('connections')).toContainText('2 connections')
})
