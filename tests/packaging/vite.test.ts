import { test } from './support/fixtures.ts'
import { strict } from './support/policy.ts'

test('Vite, built', async ({ app, front, receives }) => {
  const vite = await app('vite', 'vite')
  await vite.run('vite', 'build')
  await receives(await front(vite.path('dist'), strict))
})

test('Vite, its preview', async ({ app, receives, serve }) => {
  const vite = await app('vite', 'vite')
  await vite.run('vite', 'build')
  await receives(await serve(vite.serve('vite', 'preview', '--host', '127.0.0.1', '--port', 'PORT')), { through: "Vite's proxy" })
})

test('Vite, dev', async ({ app, receives, serve }) => {
  const vite = await app('vite', 'vite')
  await receives(await serve(vite.serve('vite', '--host', '127.0.0.1', '--port', 'PORT')), { through: "Vite's proxy" })
})
