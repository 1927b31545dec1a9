import { cpSync } from 'node:fs'
import { test } from './support/fixtures.ts'
import { nginxVersion, startNginx } from './support/nginx.ts'
import { strict } from './support/policy.ts'

for (const format of ['esm', 'iife']) {
  test(`esbuild, ${format}`, { tag: '@fast' }, async ({ app, front, receives }) => {
    const esbuild = await app('esbuild', 'esbuild')
    await esbuild.run('esbuild', 'main.js', '--bundle', '--minify', `--format=${format}`, ...(format === 'esm' ? ['--splitting'] : []), '--outdir=dist', '--log-limit=1')
    cpSync(esbuild.path('index.html'), esbuild.path('dist/index.html'))
    await receives(await front(esbuild.path('dist'), strict))
  })
}

test('esbuild, served by nginx', async ({ app, hub, note, receives, serve }) => {
  const esbuild = await app('esbuild', 'esbuild')
  await esbuild.run('esbuild', 'main.js', '--bundle', '--minify', '--format=esm', '--splitting', '--outdir=dist')
  cpSync(esbuild.path('index.html'), esbuild.path('dist/index.html'))
  note('with', nginxVersion())
  await receives(await serve(startNginx(esbuild.path('dist'), hub.server.url)), { through: 'nginx, buffering and gzip on' })
})
