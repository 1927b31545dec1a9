// The app router: the page is a server component, a client component listens, and events come through a rewrite.
import { test } from './support/fixtures.ts'

const through = 'a rewrite of Next, compression on'

test('Next, built', async ({ app, receives, serve }) => {
  const next = await app('next', 'next', 'react')
  await next.run('next', 'build')
  await receives(await serve(next.serve('next', 'start', '--hostname', '127.0.0.1', '--port', 'PORT')), { through, rendered: true })
})

test('Next, dev', async ({ app, receives, serve }) => {
  const next = await app('next', 'next', 'react')
  await receives(await serve(next.serve('next', 'dev', '--hostname', '127.0.0.1', '--port', 'PORT')), { through, rendered: true })
})
