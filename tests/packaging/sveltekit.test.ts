import { test } from './support/fixtures.ts'

test('SvelteKit, built', async ({ app, front, receives, serve }) => {
  const kit = await app('sveltekit', '@sveltejs/kit', 'svelte')
  await kit.run('vite', 'build')
  await receives(await front(await serve(kit.serve('node', 'build'))), { rendered: true })
})

test('SvelteKit, dev', async ({ app, receives, serve }) => {
  const kit = await app('sveltekit', '@sveltejs/kit', 'svelte')
  await receives(await serve(kit.serve('vite', '--host', '127.0.0.1', '--port', 'PORT')), { through: "Vite's proxy", rendered: true })
})
