// Several tabs of one browser, and which of them is spared the echo.
import type { Page } from '@playwright/test'
import { expect, test } from '../fixtures.ts'
import { hear, heard, received } from '../support/ask.ts'

/** Each tab has a stream of its own, because the server hides events per stream. */
const alone = { shareConnection: false }

const identity = (page: Page): Promise<{ deviceId: string; sessionId: string }> =>
  page.evaluate(() => ({ deviceId: tidings.deviceId, sessionId: tidings.sessionId }))

test('five tabs of one profile are one device and five sessions, and all hear everything', async ({ hub, open }) => {
  const tabs: Page[] = []
  for (let n = 0; n < 5; n++) tabs.push(await open(alone))
  for (const tab of tabs) await hear(tab, 'news')
  const payloads = Array.from({ length: 20 }, (_, n) => n)
  for (const payload of payloads) await hub.publish({ channel: 'news', payload })
  for (const tab of tabs) await expect.poll(() => heard(tab, 'news')).toEqual(payloads)

  const identities = await Promise.all(tabs.map(identity))
  expect(new Set(identities.map(({ deviceId }) => deviceId)).size).toBe(1)
  expect(new Set(identities.map(({ sessionId }) => sessionId)).size).toBe(5)
  expect(hub.logged('connection registered', identities[0]?.deviceId ?? '')).toHaveLength(5)
})

test('an event hidden from its tab never reaches that tab, and reaches the device’s other tab', async ({ hub, open }) => {
  const [origin, other] = [await open(alone), await open(alone)]
  for (const tab of [origin, other]) await hear(tab, 'news')
  const { sessionId } = await identity(origin)
  await hub.publish(
    { channel: 'news', payload: 'echo', except: { userId: 'ana', sessionId } },
    { channel: 'news', payload: 'for all' },
  )
  await expect.poll(() => received(other)).toEqual(['echo', 'for all'])
  await expect.poll(() => received(origin)).toEqual(['for all'])
})

test('an event hidden from a device reaches none of its tabs, and reaches the user’s other device', async ({ hub, open, browser }) => {
  const elsewhere = await browser.newContext()
  const [origin, sibling, other] = [await open(alone), await open(alone), await open(alone, elsewhere)]
  for (const tab of [origin, sibling, other]) await hear(tab, 'news')
  const { deviceId } = await identity(origin)
  expect((await identity(other)).deviceId).not.toBe(deviceId)
  await hub.publish(
    { channel: 'news', payload: 'echo', except: { userId: 'ana', deviceId } },
    { channel: 'news', payload: 'for all' },
  )
  await expect.poll(() => received(other)).toEqual(['echo', 'for all'])
  for (const tab of [origin, sibling]) await expect.poll(() => received(tab)).toEqual(['for all'])
  await elsewhere.close()
})

test('an echo that was missed while away does not come back on replay', async ({ hub, front, open }) => {
  const page = await open(alone)
  await hear(page, 'news')
  const { sessionId } = await identity(page)
  front.refuse({ status: 503, code: 'unavailable' })
  front.cut()
  await hub.publish(
    { channel: 'news', payload: 'echo', except: { userId: 'ana', sessionId } },
    { channel: 'news', payload: 'for all' },
  )
  front.accept()
  await expect.poll(() => received(page)).toEqual(['for all'])
})

test('the device id outlives a reload, the session id does not', async ({ open }) => {
  const page = await open()
  const before = await identity(page)
  // The id is stored as soon as all tabs have agreed on it.
  await page.waitForFunction((id) => localStorage.getItem('tidings.deviceId') === id, before.deviceId)
  await page.reload()
  await page.waitForFunction(() => ready)
  await page.evaluate(() => start())
  const after = await identity(page)
  expect(after.deviceId).toBe(before.deviceId)
  expect(after.sessionId).not.toBe(before.sessionId)
})

test('requests to the page’s own origin say which tab they come from; others do not', async ({ front, open }) => {
  const page = await open()
  const { deviceId, sessionId } = await identity(page)
  await page.evaluate(() => tidings.fetch('/api/anything'))
  const elsewhere = front.url.replace('127.0.0.1', 'localhost')
  await page.evaluate((url) => tidings.fetch(`${url}/api/elsewhere`, { mode: 'no-cors' }), elsewhere)
  expect(front.seen('/api/anything')[0]?.headers).toMatchObject({ 'x-device-id': deviceId, 'x-session-id': sessionId })
  expect(front.seen('/api/elsewhere')).toHaveLength(1)
  expect(front.seen('/api/elsewhere')[0]?.headers).not.toHaveProperty('x-device-id')
})

test('in a `srcdoc` frame the page’s own origin is that of its parent', async ({ front, page }) => {
  await page.goto(`${front.url}/bare.html`)
  await page.evaluate(async () => {
    const frame = document.createElement('iframe')
    frame.srcdoc = '<!doctype html>'
    const loaded = new Promise((done) => (frame.onload = done))
    document.body.append(frame)
    await loaded
    const run = frame.contentWindow as unknown as { eval(text: string): Promise<void> }
    await run.eval(`import('/tidings/index.js').then(({ Tidings }) => new Tidings().fetch('/api/anything'))`)
  })
  expect(front.seen('/api/anything')[0]?.headers['x-session-id']).toEqual(expect.any(String))
})
