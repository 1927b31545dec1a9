// The same small page in each framework, bundled like an application, with the real Wasm and a real hub.
import { join } from 'node:path'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { build, type Rolldown } from 'vite'
import { expect, test } from '../fixtures.ts'

for (const framework of ['react', 'vue', 'svelte']) {
  test(`${framework}: events and the connection's state reach the page, and leaving it unsubscribes`, async ({ hub, front, page }) => {
    const built = (await build({
      configFile: false,
      logLevel: 'error',
      plugins: [svelte({ configFile: false })],
      // The page gets a single script that includes the engine.
      build: { write: false, rolldownOptions: { output: { codeSplitting: false } }, lib: { entry: join(import.meta.dirname, '../bindings', `${framework}.js`), formats: ['es'] } },
      define: {
        // StrictMode mounts twice in development only.
        'process.env.NODE_ENV': '"development"',
        __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
      },
    })) as Rolldown.RolldownOutput[]
    await page.goto(`${front.url}/bare.html`)
    await page.addScriptTag({ type: 'module', content: built[0]!.output[0].code })
    await expect(page.locator('p')).toHaveText('open none')
    await hub.publish({ channel: 'note:42', payload: 'one' }, { channel: 'note:7', payload: 'other' }, { channel: 'note:42', payload: 'two' })
    await expect(page.locator('p')).toHaveText('open two')

    await page.evaluate(() => (globalThis as unknown as { leave(): void }).leave())
    await expect(page.locator('p')).toHaveCount(0)
    await expect.poll(() => front.seen('/api/events/unsubscribe').length).toBe(1)
    expect(front.seen('/api/events')).toHaveLength(1)
  })
}
