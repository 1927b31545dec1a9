// The packed tarball, as users install it: its contents, and that Node and TypeScript accept it. For the ecosystem's
// checkers, bundlers and frameworks see tests/packaging.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { shrink } from '../shrink.mjs'

// Compilers and npm run here, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const here = join(import.meta.dirname, '..')
const require = createRequire(import.meta.url)
const app = mkdtempSync(join(tmpdir(), 'tidings-package-'))
const installed = join(app, 'node_modules/tidings')

function run(program: string, args: string[], cwd = app): string {
  try {
    return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    // The program's findings are on its standard output, which the error's message leaves out.
    const { message, stdout } = error as Error & { stdout: string }
    throw new Error(`${message}\n${stdout}`)
  }
}

const node = (...args: string[]): string => run(process.execPath, args)

beforeAll(() => {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', app], here)) as [{ filename: string }]
  mkdirSync(installed, { recursive: true })
  run('tar', ['xzf', join(app, packed.filename), '--strip-components=1', '-C', installed])
  mkdirSync(join(app, 'node_modules/@types'))
  const queries = ['query-core', 'react-query', 'svelte-query', 'vue-query'].map((name) => `@tanstack/${name}`)
  mkdirSync(join(app, 'node_modules/@tanstack'))
  for (const peer of ['react', '@types/react', 'svelte', 'vue', ...queries]) {
    symlinkSync(dirname(require.resolve(`${peer}/package.json`)), join(app, 'node_modules', peer))
  }
})

afterAll(() => rmSync(app, { recursive: true, force: true }))

test('holds what it exports, both licences, and no more', () => {
  expect(readdirSync(installed).sort()).toEqual(['LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'dist', 'package.json'])
  const described = ['app', 'binding', 'channels', 'client', 'contract', 'errors', 'fetch', 'index', 'inline', 'offline', 'platform', 'query', 'queue', 'react', 'refresh', 'segment', 'svelte', 'types', 'vue']
  const types = described.flatMap((name) => [`${name}.d.cts`, `${name}.d.ts`])
  const code = ['engine', 'index', 'inline', 'offline', 'query', 'react', 'svelte', 'vue'].flatMap((name) => [`${name}.cjs`, `${name}.js`])
  const development = ['index.js', 'inline.js']
  const withMaps = (files: string[]): string[] => files.flatMap((file) => [file, `${file}.map`])
  expect(readdirSync(join(installed, 'dist')).sort()).toEqual([...withMaps(code), ...types, 'THIRD-PARTY-NOTICES.txt', 'development'].sort())
  expect(readdirSync(join(installed, 'dist/development')).sort()).toEqual(withMaps(development).sort())
})

test('the licences of all that others wrote are in it', () => {
  const notices = readFileSync(join(installed, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8')
  const named = [...notices.matchAll(/^(\S.*) \d+\.\d+\.\d+\S* \(.+\)$/gm)].map(([, name]) => name)
  expect(named).toEqual(expect.arrayContaining(['idb', 'percent-encoding', "Rust's standard library", 'talc', 'wasm-bindgen']))
  // None of our own crates, and none that is used only for building.
  expect(named.filter((name) => /tidings|wasm-bindgen-test|proptest|serde|jiff|esbuild/.test(name!))).toEqual([])
  for (const part of notices.split(/^-{80}$/m)) expect(part).toMatch(/copyright|unlicense|permission/i)
})

const client = ['Tidings', 'TidingsError', 'configureTidings', 'getTidings', 'segment']
const hooks = ['useChannel', 'useConnection', 'useEvents', 'useLatest', 'usePresence', 'useTidings']

test.each([
  ['tidings', client],
  ['tidings/inline', client],
  ['tidings/react', ['TidingsProvider', ...hooks]],
  ['tidings/vue', ['TidingsPlugin', ...hooks]],
  ['tidings/svelte', ['provideTidings', ...hooks]],
  ['tidings/query', ['syncQueries']],
  ['tidings/offline', ['isQueued', 'queueOffline', 'queuedKey']],
])('%s can be imported and required in Node, which touches nothing', (entry, names) => {
  const file = join(app, 'load.mjs')
  for (const load of [`await import('${entry}')`, `createRequire(import.meta.url)('${entry}')`]) {
    // Frameworks inspect the globals as they load, so they are loaded before; and the globals that they add to a page
    // are not ours.
    writeFileSync(
      file,
      `import { createRequire } from 'node:module'
      await Promise.all(['react', 'vue', 'svelte', 'svelte/store', 'svelte/reactivity'].map((name) => import(name)))
      const touched = []
      const names = ['window', 'self', 'document', 'location', 'navigator', 'localStorage', 'EventSource', 'WebAssembly',
        'fetch', 'crypto', 'setTimeout', 'setInterval', 'addEventListener']
      for (const name of names) {
        const value = globalThis[name]
        Object.defineProperty(globalThis, name, { get: () => { touched.push(name); return value } })
      }
      const before = Object.keys(globalThis).length
      const loaded = ${load}
      console.log(JSON.stringify({ touched, added: Object.keys(globalThis).length - before, names: Object.keys(loaded).sort() }))`,
    )
    expect(JSON.parse(node('--no-warnings', file))).toEqual({ touched: [], added: 0, names })
  }
})

test.each(['tidings', 'tidings/inline'])('%s explains its errors under the condition `development`, and only there', (entry) => {
  writeFileSync(
    join(app, 'explain.mjs'),
    `import { Tidings } from '${entry}'
    globalThis.WebAssembly = undefined
    const error = await new Promise((onError) => new Tidings({ onError }).connect())
    console.log(JSON.stringify({ code: error.code, detail: error.detail, remedy: error.remedy ?? null }))`,
  )
  const said = { code: 'unsupported', detail: 'there is no WebAssembly here' }
  expect(JSON.parse(node('explain.mjs'))).toEqual({ ...said, remedy: null })
  expect(JSON.parse(node('--conditions=development', 'explain.mjs'))).toEqual({ ...said, remedy: expect.stringContaining('docs/runtimes.md') })
})

test('the ESM is readable, and its source maps lead to the sources', () => {
  for (const name of ['engine.js', 'react.js', 'vue.js', 'svelte.js', 'query.js', 'offline.js']) {
    const code = readFileSync(join(installed, 'dist', name), 'utf8')
    expect(code.split('\n').length, name).toBeGreaterThan(50)
    expect(code).toMatch(/\n\/\/# sourceMappingURL=\w+\.js\.map\n$/)
    const { sources, sourcesContent } = JSON.parse(readFileSync(join(installed, 'dist', `${name}.map`), 'utf8')) as Record<string, string[]>
    expect(sources).toContain(`../src/${name.replace('.js', '.ts')}`)
    expect(sourcesContent!.every((content) => content.length > 0), name).toBe(true)
  }
})

test('the Wasm asks no more of a browser than the README says', () => {
  const optimizer = join(dirname(require.resolve('binaryen/package.json')), 'bin/wasm-opt')
  // Each of them is in Chrome 96, Firefox 90 and Safari 15; any other one makes the file invalid here.
  const features = ['mutable-globals', 'sign-ext', 'bulk-memory', 'nontrapping-float-to-int', 'multivalue', 'reference-types']
  const allowed = ['--mvp-features', ...features.map((feature) => `--enable-${feature}`)]
  const wasm = join(app, 'tidings.wasm')
  writeFileSync(wasm, shrink().wasm)
  expect(() => node(optimizer, wasm, ...allowed, '--vacuum', '-o', join(app, 'checked.wasm'))).not.toThrow()
})

test('the React binding says that it is for client components', () => {
  for (const name of ['react.js', 'react.cjs']) {
    expect(readFileSync(join(installed, 'dist', name), 'utf8')).toMatch(/^("use strict";\s*)?"use client";/)
  }
})

test.each(['index.js', 'index.cjs', 'engine.js', 'engine.cjs', 'inline.js', 'inline.cjs'])('%s asks no bundler for a file', (name) => {
  expect(readFileSync(join(installed, 'dist', name), 'utf8').includes('import.meta')).toBe(false)
})

const programs: [string, string[]][] = [
  // Registered types hold for a whole program, so code without registered types is another program.
  ['without registered types', ['consumer', 'consumer-hooks']],
  ['with registered types', ['typed-consumer']],
]
const systems = [
  ['ESM and CommonJS in Node', ['mts', 'cts'], { module: 'nodenext' }],
  ['a bundler', ['ts'], { module: 'esnext', moduleResolution: 'bundler' }],
] as const

test.each(programs.flatMap(([how, names]) => systems.map(([system, endings, module]) => ({ how, names, system, endings, module }))))(
  'its types serve $system, $how',
  ({ names, endings, module }) => {
    const sources = names.flatMap((name) => endings.map((ending) => ({ name, file: `${name}.${ending}` })))
    for (const { name, file } of sources) copyFileSync(join(here, `test/${name}.ts`), join(app, file))
    // The oldest library with which a consumer may compile.
    const lib = { target: 'es2020', lib: ['es2020', 'dom'], types: [], strict: true, noEmit: true }
    // Our declarations are always checked; those of the frameworks are not ours to check.
    const compilerOptions = { ...module, ...lib, skipLibCheck: !names.includes('consumer') }
    writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: sources.map(({ file }) => file) }))
    const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc')
    expect(() => node(tsc)).not.toThrow()
  },
)

test('its types need no lib but that of the language', () => {
  const used = `import { Tidings, type TidingsClient, type TidingsOptions } from 'tidings'
import { queueOffline } from 'tidings/offline'
const options: TidingsOptions = { url: undefined, onError: ({ code }) => void code.length }
export const client: TidingsClient = new Tidings(options)
client.subscribe<{ id: number }>('timer:1', ({ payload }) => void payload.id)
void client.fetch('/api/timers', { identify: true })
queueOffline(new Tidings())
`
  writeFileSync(join(app, 'bare.mts'), used)
  const lib = { target: 'es2022', lib: ['es2022'], types: [], strict: true, exactOptionalPropertyTypes: true, noEmit: true }
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...lib, module: 'nodenext' }, files: ['bare.mts'] }))
  expect(() => node(join(dirname(require.resolve('typescript/package.json')), 'bin/tsc'))).not.toThrow()
})
