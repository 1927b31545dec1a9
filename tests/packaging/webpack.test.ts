import { cpSync } from 'node:fs'
import { test } from './support/fixtures.ts'
import { strict } from './support/policy.ts'

test('webpack', async ({ app, front, receives }) => {
  const webpack = await app('webpack', 'webpack')
  await webpack.run('webpack', '--fail-on-warnings')
  cpSync(webpack.path('index.html'), webpack.path('dist/index.html'))
  await receives(await front(webpack.path('dist'), strict))
})
