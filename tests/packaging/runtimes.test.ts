// The package outside pages: each line of docs/runtimes.md that can be tested has its test here, with a real hub.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { App } from './support/app.ts'
import { expect, test } from './support/fixtures.ts'
import { root, run, runWith } from './support/run.ts'
import type { Hub } from '../e2e/support/hub.ts'

const { devDependencies } = JSON.parse(readFileSync(join(import.meta.dirname, 'runtimes/package.json'), 'utf8')) as {
  devDependencies: Record<string, string>
}
const pinned = (name: string): string => `${name} ${devDependencies[name]!.replace(/^.*@/, '')}`

/** Publishes one event. Resolves with the cursor before it, and its payload. */
async function published(hub: Hub): Promise<{ since: string; payload: string }> {
  const payload = crypto.randomUUID()
  const [since = ''] = await hub.publish({ channel: 'note:42', payload: 'before' })
  await hub.publish({ channel: 'note:42', payload })
  return { since, payload }
}

type Runtime = [name: string, version: string, program: (app: App) => string, args: string[], alone: string]

const node = (name: string): ((app: App) => string) => (app) => app.path(`node_modules/${name}/bin/node`)
const runtimes: Runtime[] = [
  ['Node, of this machine', `node ${process.versions.node}`, () => process.execPath, ['listen.mjs'], 'unsupported'],
  ['Node 22', pinned('node-22'), node('node-22'), ['listen.mjs'], 'unsupported'],
  ['Node 24', pinned('node-24'), node('node-24'), ['listen.mjs'], 'unsupported'],
  ['Node 26', pinned('node-26'), node('node-26'), ['listen.mjs'], 'unsupported'],
  ['Node, a worker thread', `node ${process.versions.node}`, () => process.execPath, ['thread.mjs'], 'unsupported'],
  ['Bun', pinned('bun'), (app) => app.path('node_modules/.bin/bun'), ['listen.mjs'], 'unsupported'],
  // Deno has `EventSource`, like a page.
  ['Deno', pinned('deno'), (app) => app.path('node_modules/.bin/deno'), ['run', '--node-modules-dir=manual', '--allow-net', 'listen.mjs'], 'open'],
]

for (const [name, version, program, args, alone] of runtimes) {
  test(name, async ({ app, hub, note }) => {
    const installed = await app('runtimes')
    note('with', version)
    note('through', 'nothing')
    const { since, payload } = await published(hub)
    const said = await run(installed.folder, program(installed), ...args, hub.server.url, since)
    expect(said).toBe(`alone: ${alone}\n${payload}\n`)
  })
}

const unsupported = 'unsupported: EventSource is not defined'
const jsdom = 'unsupported: there is no TextEncoder here'
/**
 * What a component's client reports: `heard` if it connects. Outside a page, the first part runs without `connect()`.
 */
const runners: [name: string, program: 'vitest' | 'jest', environment: string, expected: (heard: string) => string[]][] = [
  ['Vitest, node', 'vitest', 'node', (heard) => [unsupported, heard]],
  ['Vitest, jsdom', 'vitest', 'jsdom', (heard) => [heard]],
  ['Vitest, happy-dom', 'vitest', 'happy-dom', (heard) => [heard]],
  ['Jest, node', 'jest', 'node', (heard) => [unsupported, heard]],
  ['Jest, jsdom', 'jest', 'jsdom', () => [jsdom]],
]

for (const [name, program, environment, expected] of runners) {
  test(name, async ({ app, hub, note }) => {
    const installed = await app('runtimes')
    const dom = { jsdom: program === 'jest' ? 'jest-environment-jsdom' : 'jsdom', 'happy-dom': 'happy-dom' }[environment]
    note('with', [program, ...(dom ? [dom] : [])].map(pinned).join(', '))
    note('through', 'nothing')
    const { since, payload } = await published(hub)
    const env = { HUB: hub.server.url, SINCE: since, EXPECTED: JSON.stringify(expected(payload)) }
    const args = {
      vitest: ['run', '--environment', environment],
      jest: ['--config', 'jest.config.json', '--env', environment],
    }[program]
    await runWith(env, installed.folder, installed.path(`node_modules/.bin/${program}`), ...args)
  })
}

test('workers: dedicated, shared, service', async ({ app, front, receives }) => {
  const workers = await app('workers')
  await receives(await front(workers.folder))
})

test('a page without WebAssembly', async ({ app, front, note, page }) => {
  const plain = await app('plain')
  note('through', 'nothing')
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'WebAssembly'))
  const said: string[] = []
  page.on('console', (line) => line.type() === 'error' && said.push(line.text()))
  await page.goto(await front(plain.folder))
  await expect(page.locator('#chunk')).toHaveText('closed none')
  expect(said).toEqual(Array.from({ length: 2 }, () => expect.stringContaining('unsupported: there is no WebAssembly here')))
})

test('Hermes, of React Native, has no WebAssembly', async ({ app, note }) => {
  const installed = await app('runtimes')
  note('with', pinned('hermes-engine-cli'))
  const hermes = installed.path('node_modules/hermes-engine-cli/linux64-bin/hermes')
  expect(await run(root, hermes, installed.path('globals.js'))).toBe('undefined\n')
})
