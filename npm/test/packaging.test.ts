// The packed tarball, as those who install it get it: what it holds, and that Node and TypeScript take it.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { publint } from 'publint'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'

// Compilers and npm run here, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const here = join(import.meta.dirname, '..')
const require = createRequire(import.meta.url)
const app = mkdtempSync(join(tmpdir(), 'tidings-package-'))
const installed = join(app, 'node_modules/tidings')
let tarball: string

function run(program: string, args: string[], cwd = app): string {
  try {
    return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    // What the program found is on its standard output, which the error's message leaves out.
    const { message, stdout } = error as Error & { stdout: string }
    throw new Error(`${message}\n${stdout}`)
  }
}

const node = (...args: string[]): string => run(process.execPath, args)

beforeAll(() => {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', app], here)) as [{ filename: string }]
  tarball = join(app, packed.filename)
  mkdirSync(installed, { recursive: true })
  run('tar', ['xzf', tarball, '--strip-components=1', '-C', installed])
})

afterAll(() => rmSync(app, { recursive: true, force: true }))

test('holds what it exports, both licences, and no more', () => {
  expect(readdirSync(installed).sort()).toEqual(['README.md', 'dist', 'package.json'])
  const types = ['app', 'client', 'errors', 'index', 'segment', 'slim', 'types'].flatMap((name) => [`${name}.d.cts`, `${name}.d.ts`])
  const code = ['index.cjs', 'index.js', 'slim.cjs', 'slim.js', 'tidings.wasm']
  expect(readdirSync(join(installed, 'dist')).sort()).toEqual([...code, ...types, 'LICENSE-APACHE', 'LICENSE-MIT'].sort())
})

test('publint finds nothing', async () => {
  expect((await publint({ pkgDir: installed, strict: true })).messages).toEqual([])
})

test('attw finds nothing', () => {
  const attw = join(dirname(require.resolve('@arethetypeswrong/cli/package.json')), 'dist/index.js')
  // Resolution as before `exports` existed (TypeScript's node10) knows no subpaths; and a Wasm file has no types.
  expect(() => node(attw, tarball, '--profile', 'node16', '--exclude-entrypoints', './tidings.wasm')).not.toThrow()
})

test.each([
  ['import', 'const tidings = await import("tidings")'],
  ['require', 'const tidings = createRequire(import.meta.url)("tidings")'],
  ['import of slim', 'const tidings = await import("tidings/slim")'],
  ['require of slim', 'const tidings = createRequire(import.meta.url)("tidings/slim")'],
])('%s in Node gives the package and touches nothing', (_, load) => {
  const file = join(app, 'load.mjs')
  writeFileSync(
    file,
    `import { createRequire } from 'node:module'
    const touched = []
    const names = ['window', 'self', 'document', 'location', 'navigator', 'localStorage', 'EventSource', 'WebAssembly',
      'fetch', 'crypto', 'setTimeout', 'setInterval', 'addEventListener']
    for (const name of names) {
      const value = globalThis[name]
      Object.defineProperty(globalThis, name, { get: () => { touched.push(name); return value } })
    }
    const before = Object.keys(globalThis).length
    ${load}
    console.log(JSON.stringify({ touched, added: Object.keys(globalThis).length - before, names: Object.keys(tidings).sort() }))`,
  )
  expect(JSON.parse(node(file))).toEqual({
    touched: [],
    added: 0,
    names: ['Tidings', 'TidingsError', 'configureTidings', 'getTidings', 'segment'],
  })
})

test('a client may be made on a server, and says there that it cannot connect', () => {
  const file = join(app, 'server.mjs')
  writeFileSync(
    file,
    `import { getTidings, configureTidings } from 'tidings'
    configureTidings({ url: 'http://app.test/api/events', onError: (error) => console.log(error.code, error.willRetry) })
    const { state, attempt } = getTidings().getSnapshot()
    console.log(state, attempt)
    getTidings().subscribe('a', () => {})`,
  )
  expect(node(file)).toBe('idle 0\nunsupported false\n')
})

test('the Wasm is exported as a file', () => {
  const path = createRequire(join(app, 'index.js')).resolve('tidings/tidings.wasm')
  expect(WebAssembly.validate(readFileSync(path))).toBe(true)
})

test.each(['index.js', 'index.cjs', 'slim.js', 'slim.cjs'])('%s asks no bundler for a file', (name) => {
  expect(readFileSync(join(installed, 'dist', name), 'utf8').includes('import.meta')).toBe(false)
})

test.each([
  ['ESM and CommonJS in Node', ['consumer.mts', 'consumer.cts'], { module: 'nodenext' }],
  ['a bundler', ['consumer.ts'], { module: 'esnext', moduleResolution: 'bundler' }],
])('its types serve %s', (_, files, module) => {
  for (const file of files) copyFileSync(join(here, 'test/consumer.ts'), join(app, file))
  // The oldest library that a consumer may compile with, and no look away from our declarations.
  const compilerOptions = { ...module, target: 'es2020', lib: ['es2020', 'dom'], types: [], strict: true, skipLibCheck: false, noEmit: true }
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc')
  expect(() => node(tsc)).not.toThrow()
})
