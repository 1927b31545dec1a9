// Builds `dist/` from the sources and the built Wasm client: the client, its engine, both in one file, and the
// bindings, each as ESM and CommonJS, with its types and source map. The modules that throw or warn have another ESM in
// `dist/development`, which bundlers and Node select under the condition `development`: only that one explains errors
// and warns, so that no page sends those texts to its users.
//
// The code is not minified, because an application's bundler does that; only `inline.js` is, because pages load it as
// it is.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { notices } from './notices.mjs'
import { shrink } from './shrink.mjs'
import { unpacker } from './unpacker.mjs'
import { glueFile, packed, wasmFile } from './wasm.mjs'

const here = import.meta.dirname
const dist = join(here, 'dist')
const imports = /from '\.\/([\w-]+)\.ts'/g
if (!existsSync(wasmFile)) {
  console.error('client-wasm/pkg is missing: build it first, with `cargo xtask build` at the root of the repository')
  process.exit(1)
}
rmSync(dist, { recursive: true, force: true })
mkdirSync(dist)

const { wasm: bytes, glue } = shrink()
/** Replaces the import of the Wasm's glue by the shrunk one. */
const shrunkGlue = {
  name: 'shrunk glue',
  setup: ({ onLoad }) => onLoad({ filter: /[\\/]tidings_client\.js$/ }, ({ path }) => (path === glueFile ? { contents: glue, resolveDir: dirname(path) } : undefined)),
}

/** The name of the Wasm in the package's code. */
const INLINED = 'TIDINGS_WASM'
const text = packed(bytes)
const entries = [
  { entry: 'index', explains: true },
  // Loaded by the entry above.
  { entry: 'engine', wasm: text },
  { entry: 'inline', wasm: text, explains: true },
  // The application passes a client to these, so they contain none.
  { entry: 'react' },
  { entry: 'vue' },
  { entry: 'svelte' },
  { entry: 'query' },
  { entry: 'offline' },
]
/** How the engine is loaded: with `import()`, or with a `require` on first use; in the single file, at once. */
const chunk = (entry, path) => ({
  name: 'chunk',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/engine\.ts$/ }, ({ kind }) => (kind === 'dynamic-import' ? { path, external: true } : undefined))
    if (entry === 'inline') onResolve({ filter: /^\.\/chunk\.ts$/ }, () => ({ path: join(here, 'src/chunk-inline.ts') }))
  },
})
/**
 * A script that is requested again has a URL that no bundler knows, so a comment in the code has to make bundlers
 * ignore it.
 */
function checkRetry(file) {
  if (/\bimport\(\s*\/\* webpackIgnore: true \*\/\s*\/\* @vite-ignore \*\//.test(readFileSync(file, 'utf8'))) return
  throw new Error(`${file} lacks the comments that keep bundlers from the URL of a chunk that is asked for again`)
}
const inputs = new Set()
const { peerDependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))
for (const { entry, wasm = '', explains = false } of entries) {
  // CommonJS is loaded by tests and servers, where size matters little, so it explains errors, too.
  const outputs = [
    { format: 'esm', file: `${entry}.js`, engine: './engine.js', development: false },
    { format: 'cjs', file: `${entry}.cjs`, engine: './engine.cjs', development: true },
  ]
  if (explains) outputs.push({ format: 'esm', file: `development/${entry}.js`, engine: '../engine.js', development: true })
  for (const { format, file, engine, development } of outputs) {
    const { metafile } = await build({
      absWorkingDir: here,
      entryPoints: [`src/${entry}.ts`],
      outfile: join(dist, file),
      bundle: true,
      external: Object.keys(peerDependencies),
      format,
      // The oldest browsers that the README names.
      target: ['chrome96', 'firefox90', 'safari15'],
      minify: file === 'inline.js',
      sourcemap: true,
      metafile: true,
      legalComments: 'none',
      // The text of the Wasm is placed at the end: gzip encodes thousands of bytes with one code, and the Wasm's
      // statistics would worsen that of the text around it.
      define: { WASM: wasm ? INLINED : '""', UNPACKER: JSON.stringify(unpacker()), RETRIES: String(format === 'esm'), DEVELOPMENT: String(development) },
      // `import()` fails in Jest.
      supported: { 'dynamic-import': format === 'esm' },
      footer: wasm ? { js: `var ${INLINED}=${JSON.stringify(wasm)};` } : {},
      plugins: [shrunkGlue, chunk(entry, engine)],
    })
    for (const input of Object.keys(metafile.inputs)) inputs.add(input)
    if (entry === 'index' && format === 'esm') checkRetry(join(dist, file))
  }
}
writeFileSync(join(dist, 'THIRD-PARTY-NOTICES.txt'), notices([...inputs]))
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
execFileSync(process.execPath, [tsc, '--project', join(here, 'tsconfig.build.json')], { stdio: 'inherit' })
// Only the types that the entries reach: the others are internal, and name files that the package does not contain.
const reached = new Map()
const reach = (name) => {
  if (reached.has(name)) return
  const text = readFileSync(join(dist, `${name}.d.ts`), 'utf8')
  reached.set(name, text)
  for (const [, next] of text.matchAll(imports)) reach(next)
}
for (const { entry } of entries) if (entry !== 'engine') reach(entry)
for (const file of readdirSync(dist).filter((file) => file.endsWith('.d.ts'))) rmSync(join(dist, file))
for (const [name, text] of reached) {
  // tsc leaves `.ts` in the imports of the declarations; each kind of module has its own extension.
  writeFileSync(join(dist, `${name}.d.ts`), text.replace(imports, "from './$1.js'"))
  writeFileSync(join(dist, `${name}.d.cts`), text.replace(imports, "from './$1.cjs'"))
}
