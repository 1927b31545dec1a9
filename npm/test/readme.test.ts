// Every snippet of the README and of the pages in `docs/`, compiled as it stands against the built package.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'

const require = createRequire(import.meta.url)
const app = mkdtempSync(join(tmpdir(), 'tidings-readme-'))
afterAll(() => rmSync(app, { recursive: true, force: true }))

const npm = join(import.meta.dirname, '..')
const pages = [join(npm, 'README.md'), ...readdirSync(join(npm, 'docs')).sort().map((name) => join(npm, 'docs', name))]
const readme = pages.map((page) => readFileSync(page, 'utf8')).join('\n')
const snippets = [...readme.matchAll(/^```(ts|tsx|vue|svelte)\n(.*?)^```$/gms)].map(([, language = '', code = '']) => ({ language, code }))

function compile(program: string, ...args: string[]): string {
  try {
    execFileSync(process.execPath, [program, ...args], { cwd: app, encoding: 'utf8', stdio: 'pipe' })
    return ''
  } catch (error) {
    const { stdout, message } = error as Error & { stdout: string }
    return stdout || message
  }
}

test('every snippet compiles', { timeout: 300_000 }, () => {
  expect(snippets.map(({ language }) => language)).toEqual(expect.arrayContaining(['ts', 'tsx', 'vue', 'svelte']))
  const names = snippets.map(({ language, code }, number) => {
    // A snippet that another one imports has its name in its first line.
    const [, named] = /^(?:\/\/|<!--) (\S+\.\w+)/.exec(code) ?? []
    const name = named ?? `snippet${number}.${language}`
    writeFileSync(join(app, name), code)
    return name
  })
  expect(new Set(names).size).toBe(names.length)
  // The parts that the reader provides.
  writeFileSync(
    join(app, 'reader.d.ts'),
    `declare function refetch(): void
    declare function render(type: string, payload: { id: string; text: string }): void
    declare function show(payload: { id: number }): void
    declare const body: string
    declare module '*?url' { const url: string; export default url }
    interface ImportMeta { readonly hot?: { readonly data: any } }`,
  )
  symlinkSync(dirname(dirname(require.resolve('vue/package.json'))), join(app, 'node_modules'))
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable'],
    module: 'esnext',
    moduleResolution: 'bundler',
    moduleDetection: 'force',
    jsx: 'react-jsx',
    types: [],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  }
  const typed = names.filter((name) => ['channels.d.ts', 'timers.ts'].includes(name))
  const others = names.filter((name) => ![...typed, 'errors.ts'].includes(name) && !name.endsWith('.svelte'))
  const config = (name: string, files: string[]): void =>
    writeFileSync(join(app, name), JSON.stringify({ compilerOptions, include: ['reader.d.ts', ...files] }))
  config('tsconfig.json', others)
  config('typed.json', typed)
  config('errors.json', ['channels.d.ts', 'errors.ts'])
  config('svelte.json', ['*.svelte'])
  const vueTsc = join(dirname(require.resolve('vue-tsc/package.json')), 'bin/vue-tsc.js')
  const svelteCheck = join(dirname(require.resolve('svelte-check/package.json')), 'bin/svelte-check')
  expect(compile(vueTsc, '--project', 'tsconfig.json')).toBe('')
  expect(compile(vueTsc, '--project', 'typed.json')).toBe('')
  // A snippet that does not compile has its error below it.
  const lines = readFileSync(join(app, 'errors.ts'), 'utf8').split('\n')
  const said = [...compile(vueTsc, '--project', 'errors.json').matchAll(/^errors\.ts\((\d+),\d+\): error \w+: (.*)$/gm)]
  const shown = lines.flatMap((line, at) => (line.startsWith('// ') && at > 0 ? [`${at} ${line.slice(3)}`] : []))
  expect(said.map(([, line, message]) => `${line} ${message}`)).toEqual(shown)
  expect(shown.length).toBeGreaterThan(3)
  expect(compile(svelteCheck, '--tsconfig', 'svelte.json', '--fail-on-warnings', '--output', 'human')).toBe('')
})
