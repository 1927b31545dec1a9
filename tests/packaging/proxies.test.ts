// Proxies before a hub, as docs/proxies.md configures them: how soon each forwards the first block of a stream, reports
// to the hub that a client has left, and reports to a client that the hub was killed.
import { mkdirSync, writeFileSync } from 'node:fs'
import type { Hub } from '../e2e/support/hub.ts'
import type { Service } from '../e2e/support/service.ts'
import { expect, test } from './support/fixtures.ts'
import { advice, apache, caddy, find, haproxy, nginx, ready, varnish, versionOf } from './support/proxies.ts'

/** An end that is not reported within this time is noticed only by a missing heartbeat. */
const PATIENCE_MS = 6_000

interface Opened {
  /** When the first block arrived, in milliseconds. */
  first: number
  next: () => Promise<string | undefined>
  leave: () => void
}

/** Opens a stream as a browser does: over a connection of its own, accepting compression. */
async function open(url: string): Promise<Opened> {
  const leaving = new AbortController()
  const began = performance.now()
  const address = `${url}/api/events?user=ana&channels=note:42&nonce=${crypto.randomUUID()}`
  const answer = await fetch(address, { signal: leaving.signal, headers: { accept: 'text/event-stream', 'accept-encoding': 'gzip' } })
  expect(answer.status).toBe(200)
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  const next = (): Promise<string | undefined> => reader.read().then(({ value }) => value, () => undefined)
  expect(await next()).toContain('event: connected')
  return { first: performance.now() - began, next, leave: () => leaving.abort() }
}

/** How long until a condition holds; `undefined` if it does not within this many milliseconds. */
async function until(fact: () => boolean, patience = PATIENCE_MS): Promise<number | undefined> {
  const began = performance.now()
  while (!fact()) {
    if (performance.now() - began > patience) return undefined
    await new Promise((done) => setTimeout(done, 5))
  }
  return performance.now() - began
}

/** If neither side reports the end, a hub notices it when it writes: this counts how many blocks it takes. */
async function afterWrites(hub: Hub): Promise<string> {
  for (let blocks = 1; blocks <= 3; blocks++) {
    await hub.publish({ channel: 'note:42', payload: blocks })
    if ((await until(() => hub.streams === 0, 1_000)) !== undefined) return `by block ${blocks} written to it`
  }
  return 'not by 3 blocks written to it'
}

const ms = (time: number | undefined): string => (time === undefined ? `not within ${PATIENCE_MS / 1000} s` : `${Math.round(time)} ms`)

const measured = test.extend<{ measures: (url: string) => Promise<{ left: number | undefined; killed: number | undefined }> }>({
  measures: async ({ hub, note }, use) => {
    await use(async (url) => {
      // The first stream may wait for a development server to compile.
      const warm = await open(url)
      const { first, next, leave } = await open(url)
      note('first', ms(first))
      // A published event is forwarded at once, too.
      await hub.publish({ channel: 'note:42', payload: 'now' })
      expect(await next()).toContain('"now"')
      await expect.poll(() => hub.streams).toBe(2)
      warm.leave()
      leave()
      const left = await until(() => hub.streams === 0)
      note('left', left === undefined ? await afterWrites(hub) : ms(left))

      const stays = await open(url)
      let ended = false
      const reading = (async () => {
        while ((await stays.next()) !== undefined);
        ended = true
      })()
      await hub.server.kill()
      const killed = await until(() => ended)
      note('killed', ms(killed))
      stays.leave()
      await reading
      return { left, killed }
    })
  },
})

const servers: [name: string, program: string, version: string, start: (program: string, hub: string) => Promise<Service>][] = [
  ['nginx', 'nginx', '-v', nginx],
  ['HAProxy', 'haproxy', '-v', haproxy],
  ['Apache', 'apache2', '-v', apache],
  ['Varnish', 'varnishd', '-V', varnish],
  ['Caddy', 'caddy', 'version', caddy],
]

for (const [name, program, option, start] of servers) {
  measured(name, async ({ hub, measures, note, serve }) => {
    const found = find(program)
    test.skip(!found, `there is no ${program} here`)
    note('with', `${name} ${versionOf(found!, option)}`)
    const { left, killed } = await measures(await serve(start(found!, hub.server.url)))
    expect(killed).toBeDefined()
    // Apache does not watch its client while it waits for the server.
    if (name !== 'Apache') expect(left).toBeDefined()
  })
}

measured('Vite, dev', async ({ app, hub, measures, serve }) => {
  const vite = await app('vite', 'vite')
  writeFileSync(vite.path('advised.config.ts'), advice("Vite's development server", hub.server.url))
  const args = ['--config', 'advised.config.ts', '--host', '127.0.0.1', '--port', 'PORT']
  const { left, killed } = await measures(await serve(vite.serve('vite', ...args)))
  expect([left, killed]).toEqual([expect.any(Number), expect.any(Number)])
})

measured('Vite, dev, without the three lines', async ({ app, measures, serve }) => {
  const vite = await app('vite', 'vite')
  const { killed } = await measures(await serve(vite.serve('vite', '--host', '127.0.0.1', '--port', 'PORT')))
  // If this fails, the advice in docs/proxies.md is no longer needed.
  expect(killed).toBeUndefined()
})

measured('webpack-dev-server', async ({ app, hub, measures, serve }) => {
  const webpack = await app('webpack', 'webpack-dev-server')
  const own = 'Object.assign(module.exports, { mode: "development", entry: "./main.js" }); module.exports.devServer.static = "."'
  writeFileSync(webpack.path('advised.config.cjs'), `${advice('webpack-dev-server', hub.server.url)}\n${own}`)
  await measures(await serve(webpack.serve('webpack', 'serve', '--config', 'advised.config.cjs', '--host', '127.0.0.1', '--port', 'PORT')))
})

measured('Nuxt, built, with the handler', async ({ app, hub, measures, serve }) => {
  const nuxt = await app('nuxt', 'nuxt')
  writeFileSync(nuxt.path('nuxt.config.ts'), 'export default defineNuxtConfig({})')
  const handler = 'server/routes/api/[...path].ts'
  mkdirSync(nuxt.path('server/routes/api'), { recursive: true })
  writeFileSync(nuxt.path(handler), advice(handler, hub.server.url))
  await nuxt.run('nuxt', 'build')
  const { left, killed } = await measures(await serve(nuxt.serve('node', '.output/server/index.mjs')))
  expect([left, killed]).toEqual([expect.any(Number), expect.any(Number)])
})

measured('Nuxt, built, with the rule', async ({ app, hub, measures, serve }) => {
  const nuxt = await app('nuxt', 'nuxt')
  writeFileSync(nuxt.path('nuxt.config.ts'), advice('nuxt.config.ts', hub.server.url))
  await nuxt.run('nuxt', 'build')
  await measures(await serve(nuxt.serve('node', '.output/server/index.mjs')))
})

measured('Nuxt, built, with a rule that begins at the router', async ({ app, hub, serve }) => {
  const nuxt = await app('nuxt', 'nuxt')
  writeFileSync(nuxt.path('nuxt.config.ts'), advice('nuxt.config.ts', hub.server.url).replaceAll('/api/**', '/api/events/**'))
  await nuxt.run('nuxt', 'build')
  const url = await serve(nuxt.serve('node', '.output/server/index.mjs'))
  expect((await fetch(url + ready)).status).toBe(200)
  // If this fails, the advice in docs/proxies.md is no longer needed.
  expect((await fetch(`${url}/api/events?user=ana`)).status).toBe(404)
})

measured('Next, built', async ({ app, hub, measures, serve }) => {
  const next = await app('next', 'next')
  writeFileSync(next.path('next.config.mjs'), `${advice('Next.js', hub.server.url).replace('export default {', 'export default { turbopack: { root: import.meta.dirname },')}`)
  await next.run('next', 'build')
  await measures(await serve(next.serve('next', 'start', '--hostname', '127.0.0.1', '--port', 'PORT')))
})
