import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { wasmFile } from '../wasm.mjs'
import { pack } from './packed.js'

test('the text needs no escape in a string or an inline script', () => {
  expect(pack(Uint8Array.from({ length: 256 }, (_, i) => i))).not.toMatch(/["'`\\$<\p{Cc}\P{ASCII}]/u)
})

test('it is smaller than hex once gzipped', () => {
  const bytes = readFileSync(wasmFile)
  expect(gzipSync(pack(bytes)).length).toBeLessThan(gzipSync(bytes.toString('hex')).length)
})
