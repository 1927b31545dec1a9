import { cpSync } from 'node:fs'
import { test } from './support/fixtures.ts'
import { strict } from './support/policy.ts'

test('Rollup', { tag: '@fast' }, async ({ app, front, receives }) => {
  const rollup = await app('rollup', 'rollup')
  await rollup.run('rollup', '--config')
  cpSync(rollup.path('index.html'), rollup.path('dist/index.html'))
  await receives(await front(rollup.path('dist'), strict))
})
