// Safari's engine, as far as Debian has it: the same page as everywhere, which recovers from a crash of the hub.
import { WebDriver } from '../e2e/support/webdriver.ts'
import { expect, test } from './support/fixtures.ts'
import { strict } from './support/policy.ts'
import { startWebKitDriver } from './support/webkit.ts'

test('WebKit, <script type=module>, strict CSP', async ({ app, front, hub, note, serve }) => {
  const plain = await app('plain')
  const webkit = await WebDriver.open(await serve(startWebKitDriver()))
  const tab = await webkit.firstTab()
  note('with', webkit.version)
  note('through', 'a plain proxy')
  const shown = (): Promise<string[]> => tab.evaluate(() => [...document.querySelectorAll('p')].map((p) => p.textContent))
  await tab.goto(await front(plain.folder, strict))
  await expect.poll(shown).toEqual(['open none', 'open none'])

  const before = performance.now()
  await hub.publish({ channel: 'note:42', payload: 'one' })
  await expect.poll(shown, { intervals: [20] }).toEqual(['open one', 'open one'])
  note('after', `${Math.round(performance.now() - before)} ms`)

  // A crash.
  await hub.server.kill()
  await expect.poll(async () => (await shown()).some((text) => text.startsWith('open'))).toBe(false)
  await hub.server.restart()
  await expect.poll(shown).toEqual(['open one', 'open one'])
  await hub.publish({ channel: 'note:42', payload: 'two' })
  await expect.poll(shown, { intervals: [20] }).toEqual(['open two', 'open two'])
  await webkit.close()
})
