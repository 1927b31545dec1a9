// Development: a module's handlers are released when Vite's server replaces the module in a page that stays open.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import react from '@vitejs/plugin-react'
import vue from '@vitejs/plugin-vue'
import { createServer, type PluginOption } from 'vite'
import { expect, test } from '../fixtures.ts'

const frameworks: [string, string, PluginOption][] = [
  ['react', 'Note.jsx', react()],
  ['vue', 'Note.vue', vue()],
  ['svelte', 'Note.svelte', svelte({ configFile: false })],
]

// A compiler starts in each test, and the machine may be busy.
test.setTimeout(120_000)

for (const [framework, component, plugin] of frameworks) {
  test(`${framework}: a component that is replaced leaves no handler behind, and a client that is replaced no stream`, async ({
    front,
    hub,
    page,
  }) => {
    const hot = join(import.meta.dirname, '../hot')
    // The folder is outside Playwright's, because Vite ignores `test-results`.
    const root = mkdtempSync(join(hot, 'run-'))
    cpSync(join(hot, framework), root, { recursive: true })
    cpSync(join(hot, 'client.js'), join(root, 'client.js'))
    writeFileSync(join(root, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><main></main><script type="module" src="/main.js"></script>')
    const edit = (file: string, before: string, after: string): void => {
      const source = readFileSync(join(root, file), 'utf8')
      expect(source).toContain(before)
      writeFileSync(join(root, file), source.replaceAll(before, after))
    }
    // A build of the test site in this process left `production` here, with which the plugins would replace nothing.
    delete process.env.NODE_ENV
    const vite = await createServer({
      configFile: false,
      root,
      cacheDir: join(root, 'cache'),
      logLevel: 'error',
      plugins: [plugin],
      server: { host: '127.0.0.1', port: 0, proxy: { '/api': front.url } },
    })
    try {
      await vite.listen()
      await page.goto(vite.resolvedUrls!.local[0]!)
      const shown = page.locator('p')
      await expect(shown).toHaveText('open none', { timeout: 60_000 })
      const { length: streams } = front.seen('/api/events')
      await page.evaluate(() => Object.assign(globalThis, { mark: 'the same page' }))

      edit(component, 'note:42', 'note:43')
      await expect.poll(() => front.seen('/api/events/subscribe').length).toBe(1)
      await expect.poll(() => front.seen('/api/events/unsubscribe').length).toBe(1)
      await hub.publish({ channel: 'note:42', payload: 'old' }, { channel: 'note:43', payload: 'new' })
      await expect(shown).toHaveText('open new')
      expect(front.seen('/api/events')).toHaveLength(streams)
      expect(await page.evaluate(() => (globalThis as { mark?: string }).mark)).toBe('the same page')

      // The server reports who is online; a stream left behind would make it two users.
      edit('client.js', 'user=ana', 'user=bob')
      await expect.poll(() => front.seen('/api/events').at(-1)?.query.get('user')).toBe('bob')
      await expect.poll(() => front.streams).toBe(1)
      await hub.publish({ channel: 'note:43', payload: 'newer' })
      await expect(shown).toHaveText('open newer')
    } finally {
      await vite.close()
      rmSync(root, { recursive: true })
    }
  })
}
