// The tarball by itself: its manifest and types as the ecosystem's linters see them, and in Node.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { publint } from 'publint'
import { expect, test } from './support/fixtures.ts'
import { tarball } from './support/pack.ts'
import { root, run } from './support/run.ts'

/** A linter that this repository installs. */
function judge(name: string): { folder: string; version: string } {
  const folder = join(root, 'node_modules', name)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  return { folder, version: `${name} ${version}` }
}

test('publint', { tag: '@fast' }, async ({ app, note }) => {
  const { folder } = await app('node')
  note('with', judge('publint').version)
  expect((await publint({ pkgDir: join(folder, 'node_modules/tidings'), strict: true })).messages).toEqual([])
})

test('attw', { tag: '@fast' }, async ({ note }) => {
  const { folder, version } = judge('@arethetypeswrong/cli')
  note('with', version)
  // Resolution from before `exports` existed (TypeScript's node10) does not support subpaths.
  await run(root, process.execPath, join(folder, 'dist/index.js'), tarball, '--profile', 'node16')
})

for (const [how, file] of [['import', 'import.mjs'], ['require', 'require.cjs']] as const) {
  test(`Node, ${how}`, { tag: '@fast' }, async ({ app, hub, note }) => {
    const { folder } = await app('node')
    note('with', `Node.js ${process.versions.node}`)
    note('through', 'nothing')
    const [since = ''] = await hub.publish({ channel: 'note:42', payload: 'before' })
    await hub.publish({ channel: 'note:42', payload: 'heard' })
    expect(await run(folder, process.execPath, file, hub.server.url, since)).toBe('idle\nunsupported false\nheard\n')
  })
}
