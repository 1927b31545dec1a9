// Three hubs on one log: each of them is killed and restarted, and two devices with the timers do not notice.
import type { Page } from '@playwright/test'
import { clusterProgram, examples } from '../support/paths.ts'
import { Server } from '../support/server.ts'
import { expect, test as base } from '../timers/app.ts'

/** The page with the buttons. */
class Buttons {
  private constructor(readonly page: Page) {}

  static async open(page: Page, url: string): Promise<Buttons> {
    await page.goto(url)
    return new Buttons(page)
  }

  async kill(hub: number): Promise<void> {
    await this.card(hub).getByRole('button', { name: 'Kill' }).click()
    await expect(this.card(hub)).toHaveAttribute('data-state', 'dead')
  }

  async restart(hub: number): Promise<void> {
    await this.card(hub).getByRole('button', { name: 'Restart' }).click()
    await expect(this.card(hub)).toHaveAttribute('data-state', 'alive')
  }

  card(hub: number) {
    return this.page.locator(`[data-hub="${hub}"]`)
  }
}

const test = base.extend<{ buttons: Buttons }>({
  entry: async ({}, use) => {
    const cluster = await Server.start(clusterProgram(), ['--examples', examples()])
    await use(cluster.url)
    await cluster.kill('SIGTERM')
  },
  buttons: async ({ page, entry }, use) => use(await Buttons.open(page, entry)),
})

// Servers start, and hubs are killed and restarted, one after the other.
test.setTimeout(120_000)

test('each hub is killed and restarted in turn, and two devices follow a timer without a gap', async ({ buttons, device }) => {
  for (const hub of [1, 2, 3]) await expect(buttons.card(hub)).toHaveAttribute('data-state', 'alive')
  const [desk, phone] = [await device('Desk'), await device('Phone')]
  const expected: string[] = []
  for (const hub of [1, 2, 3]) {
    await buttons.kill(hub)
    // While the hub is dead, and again when it is back.
    for (const title of [`Without ${hub}`, `With ${hub}`]) {
      await desk.start(title)
      await expect(phone.get('title')).toHaveText(title)
      await phone.get('stop').click()
      await expect(desk.get('start-title')).toBeVisible()
      expected.push('Started on Desk', 'Stopped here')
      if (title.startsWith('Without')) await buttons.restart(hub)
    }
  }
  expect((await phone.shown()).activities).toEqual(expected)
  for (const tab of [desk, phone]) expect((await tab.shown()).gaps).toBe(0)
})

test('where all hubs are dead the pages say so, and go on when one is back', async ({ buttons, device }) => {
  const [desk, phone] = [await device('Desk'), await device('Phone')]
  await desk.start('Outlast them')
  await expect(phone.get('title')).toHaveText('Outlast them')
  for (const hub of [1, 2, 3]) await buttons.kill(hub)
  for (const tab of [desk, phone]) await expect(tab.get('state')).not.toHaveAttribute('data-state', 'open')
  await buttons.restart(2)
  for (const tab of [desk, phone]) await expect(tab.get('state')).toHaveAttribute('data-state', 'open', { timeout: 40_000 })
  await phone.get('stop').click()
  await expect(desk.get('activity')).toHaveText('Stopped on Phone')
  for (const tab of [desk, phone]) expect((await tab.shown()).gaps).toBe(0)
})
