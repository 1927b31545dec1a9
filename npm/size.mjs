// The size of what a browser loads, minified as an application's bundler does it: raw, gzip and brotli; and the
// composition of the Wasm. Fails above the budget.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { transformSync } from 'esbuild'
import { trapping } from './shrink.mjs'
import { sizeByCrate } from './size-by-crate.mjs'

/**
 * The budgets in KB of gzip: of the code that a page loads before it uses the client, and of that code and the engine
 * together.
 */
const FIRST_BUDGET = 5
const BUDGET = 47
/** The budget in KB of gzip of a binding. */
const BINDING_BUDGET = 1.5

const kb = (bytes) => (bytes / 1000).toFixed(1).padStart(7)
console.log(`${'KB'.padEnd(14)}    raw   gzip brotli`)
const weigh = (name) => {
  const code = readFileSync(join(import.meta.dirname, 'dist', name), 'utf8').replace(/\n\/\/# sourceMappingURL=.*\n?$/, '')
  const bytes = Buffer.from(transformSync(code, { minify: true, format: 'esm', legalComments: 'none', target: ['chrome96', 'firefox90', 'safari15'] }).code)
  const gzip = gzipSync(bytes, { level: 9 }).length
  console.log(name.padEnd(12), kb(bytes.length), kb(gzip), kb(brotliCompressSync(bytes).length))
  return gzip
}
const budgets = { 'index.js': FIRST_BUDGET, 'engine.js': Infinity, 'inline.js': Infinity }
for (const binding of ['react.js', 'vue.js', 'svelte.js', 'query.js']) budgets[binding] = BINDING_BUDGET
const weights = {}
const judge = (name, gzip, budget) => {
  if (gzip <= budget * 1000) return
  console.error(`${name} is above its budget of ${budget} KB gzip`)
  process.exitCode = 1
}
for (const [name, budget] of Object.entries(budgets)) judge(name, (weights[name] = weigh(name)), budget)
const all = weights['index.js'] + weights['engine.js']
console.log(`index.js and engine.js together: ${all} bytes gzip, of ${BUDGET} KB`)
judge('both together', all, BUDGET)

console.log('\nKB of the Wasm, by crate')
for (const [crate, bytes] of sizeByCrate(trapping(true))) {
  if (bytes >= 100) console.log(crate.padEnd(26), kb(bytes))
}
