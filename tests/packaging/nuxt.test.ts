import { test } from './support/fixtures.ts'

test('Nuxt, built', async ({ app, receives, serve }) => {
  const nuxt = await app('nuxt', 'nuxt', 'vue')
  await nuxt.run('nuxt', 'build')
  await receives(await serve(nuxt.serve('node', '.output/server/index.mjs')), { through: "Nitro's proxy", rendered: true })
})

test('Nuxt, dev', async ({ app, receives, serve }) => {
  const nuxt = await app('nuxt', 'nuxt', 'vue')
  await receives(await serve(nuxt.serve('nuxt', 'dev', '--host', '127.0.0.1', '--port', 'PORT')), { through: "Nitro's proxy", rendered: true })
})
