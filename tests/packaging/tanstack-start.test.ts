import { test } from './support/fixtures.ts'

test('TanStack Start, built', async ({ app, receives, serve }) => {
  const start = await app('tanstack-start', '@tanstack/react-start', 'react')
  await start.run('vite', 'build')
  const preview = start.serve('vite', 'preview', '--host', '127.0.0.1', '--port', 'PORT')
  await receives(await serve(preview), { through: "Vite's proxy", rendered: true })
})

test('TanStack Start, dev', async ({ app, receives, serve }) => {
  const start = await app('tanstack-start', '@tanstack/react-start', 'react')
  const dev = start.serve('vite', '--host', '127.0.0.1', '--port', 'PORT')
  await receives(await serve(dev), { through: "Vite's proxy", rendered: true })
})
