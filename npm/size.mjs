// What a browser loads: raw, gzip and brotli. Fails above the budget.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'

/** KB of gzip. The nearest peer, centrifuge-js, is 23.7. */
const BUDGET = 23

const kb = (bytes) => (bytes / 1000).toFixed(1).padStart(7)
console.log(`${'KB'.padEnd(14)}    raw   gzip brotli`)
let gzip = 0
for (const name of ['tidings.wasm', 'slim.js', 'index.js']) {
  const bytes = readFileSync(join(import.meta.dirname, 'dist', name))
  gzip = gzipSync(bytes, { level: 9 }).length
  console.log(name.padEnd(12), kb(bytes.length), kb(gzip), kb(brotliCompressSync(bytes).length))
}
if (gzip > BUDGET * 1000) {
  console.error(`index.js is above its budget of ${BUDGET} KB gzip`)
  process.exit(1)
}
