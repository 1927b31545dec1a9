// What a browser loads: raw, gzip and brotli, and of what the Wasm is made. Fails above the budget.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { trapping } from './shrink.mjs'
import { sizeByCrate } from './size-by-crate.mjs'

/**
 * KB of gzip: what is reached, rounded up, so that nothing grows unseen. The aim is 23, because the nearest peer,
 * centrifuge-js, is 23.7. What stands between the two is what that one does not do, in a state machine that is the same in
 * the simulation: one stream for all tabs, resume with gaps told, tokens and tickets, presence, and streams that are
 * fetched. Each is wanted, and so they are in.
 */
const BUDGET = 46.5
const AIM = 23
/** KB of gzip of what a binding adds. */
const BINDING_BUDGET = 1.5

const kb = (bytes) => (bytes / 1000).toFixed(1).padStart(7)
console.log(`${'KB'.padEnd(14)}    raw   gzip brotli`)
const weigh = (name) => {
  const bytes = readFileSync(join(import.meta.dirname, 'dist', name))
  const gzip = gzipSync(bytes, { level: 9 }).length
  console.log(name.padEnd(12), kb(bytes.length), kb(gzip), kb(brotliCompressSync(bytes).length))
  return gzip
}
const budgets = { 'tidings.wasm': Infinity, 'slim.js': Infinity, 'index.js': BUDGET }
for (const binding of ['react.js', 'vue.js', 'svelte.js', 'query.js']) budgets[binding] = BINDING_BUDGET
for (const [name, budget] of Object.entries(budgets)) {
  if (weigh(name) > budget * 1000) {
    console.error(`${name} is above its budget of ${budget} KB gzip`)
    process.exitCode = 1
  }
}
console.log(`The aim for index.js is ${AIM} KB gzip; its budget, ${BUDGET}, holds what is reached`)

console.log('\nKB of the Wasm, by crate')
for (const [crate, bytes] of sizeByCrate(trapping(true))) {
  if (bytes >= 100) console.log(crate.padEnd(26), kb(bytes))
}
