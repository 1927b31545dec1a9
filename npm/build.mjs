// From source and the built Wasm client to `dist/`: the client, its engine, both in one, and the bindings, each as ESM and CommonJS,
// each with its types and source map. What throws and warns has an ESM of its own in `dist/development`, which bundlers and Node take under
// the condition `development`: it alone explains errors and warns, so that no page carries those texts to its users.
//
// Code is left readable, for an application's bundler minifies it. `inline.js` is minified, since pages load it as it is.
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
/** The Wasm's own glue, in its place. */
const shrunkGlue = {
  name: 'shrunk glue',
  setup: ({ onLoad }) => onLoad({ filter: /[\\/]tidings_client\.js$/ }, ({ path }) => (path === glueFile ? { contents: glue, resolveDir: dirname(path) } : undefined)),
}

/** Under which name the Wasm is in the package. */
const INLINED = 'TIDINGS_WASM'
const text = packed(bytes)
const entries = [
  { entry: 'index', explains: true },
  // Loaded by the one before.
  { entry: 'engine', wasm: text },
  { entry: 'inline', wasm: text, explains: true },
  // These are given a client, so they bring none.
  { entry: 'react' },
  { entry: 'vue' },
  { entry: 'svelte' },
  { entry: 'query' },
  { entry: 'offline' },
]
/** How the engine is reached: by `import()`, or by a `require` when it is needed; from the one file, at once. */
const chunk = (entry, path) => ({
  name: 'chunk',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/engine\.ts$/ }, ({ kind }) => (kind === 'dynamic-import' ? { path, external: true } : undefined))
    if (entry === 'inline') onResolve({ filter: /^\.\/chunk\.ts$/ }, () => ({ path: join(here, 'src/chunk-inline.ts') }))
  },
})
/** A script that is asked for again has a URL that no bundler knows, so a comment in the code has to say that it is none of theirs. */
function checkRetry(file) {
  if (/\bimport\(\s*\/\* webpackIgnore: true \*\/\s*\/\* @vite-ignore \*\//.test(readFileSync(file, 'utf8'))) return
  throw new Error(`${file} lacks the comments that keep bundlers from the URL of a chunk that is asked for again`)
}
const inputs = new Set()
const { peerDependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))
for (const { entry, wasm = '', explains = false } of entries) {
  // Tests and servers load CommonJS, where size counts for little: so it explains, too.
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
      // The text of the Wasm stands at the end, where gzip, which writes thousands of bytes with the same code, writes little else
      // with that of a text like no other.
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
// Of the types only what the entries lead to: the rest is nobody's business, and names files that the package lacks.
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
  // tsc leaves `.ts` in what the declarations import; either kind of module has an extension of its own.
  writeFileSync(join(dist, `${name}.d.ts`), text.replace(imports, "from './$1.js'"))
  writeFileSync(join(dist, `${name}.d.cts`), text.replace(imports, "from './$1.cjs'"))
}
