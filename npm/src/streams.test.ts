import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { wasmFile } from '../wasm.mjs'
import { join, split } from './streams.js'

const wasm = Uint8Array.from(readFileSync(wasmFile))

test('a Wasm comes back as it was', () => {
  expect(Buffer.compare(join(split(wasm)), wasm)).toBe(0)
})

test('instructions that nobody thought of lead nothing astray', () => {
  const strange = wasm.slice()
  // The beginning is read when it is taken apart; what follows are functions, somewhere in there.
  for (let at = 10_000; at < strange.length - 10_000; at += 97) strange[at] = (at * 7) & 255
  expect(Buffer.compare(join(split(strange)), strange)).toBe(0)
})

test('taken apart it is a tenth smaller, once gzipped', () => {
  const size = (bytes: Uint8Array): number => gzipSync(bytes, { level: 9 }).length
  expect(size(split(wasm))).toBeLessThan(0.93 * size(wasm))
})
