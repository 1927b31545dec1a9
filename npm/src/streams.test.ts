import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { shrink } from '../shrink.mjs'
import { unpacker } from '../unpacker.mjs'
import { packed, wasmFile } from '../wasm.mjs'
import { pack } from './packed.js'
import { split } from './streams.js'
import { unpack } from './unpack.js'

const joined = (text: string): Uint8Array => Uint8Array.from(unpack(unpacker(), text))

const wasm = Uint8Array.from(readFileSync(wasmFile))
const { wasm: shrunk } = shrink()

test('a Wasm comes back as it was', () => {
  expect(Buffer.compare(joined(packed(wasm)), wasm)).toBe(0)
})

test('functions are as long as they were, in as many bytes', () => {
  // `unreachable`, so many times that the functions' lengths take one, two and three bytes.
  const leb = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >> 7)])
  const bodies = [1, 125, 126, 127, 16_380, 16_381, 16_382].map((count) => {
    const body = [0, ...Array<number>(count).fill(0), 0x0b]
    return [...leb(body.length), ...body]
  })
  const code = [...leb(bodies.length), ...bodies.flat()]
  const functions = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, 10, ...leb(code.length), ...code, 11, 1, 0])
  expect(joined(packed(functions))).toEqual(functions)
})

test('an instruction that nobody thought of is told when the package is built, not in a browser', () => {
  const strange = wasm.slice()
  // Taking the Wasm apart reads its beginning; the functions follow, somewhere in these bytes.
  for (let at = 10_000; at < strange.length - 10_000; at += 97) strange[at] = (at * 7) & 255
  expect(() => packed(strange)).toThrow('does not know')
})

test('numbers come back that are too many for a list, or too rare for a short code', () => {
  const leb = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >> 7)])
  // `call n`, some hundred different ones; and `local.get n`, each twice as frequent as the next one, which would take
  // up to 16 bits.
  const calls = Array.from({ length: 2_000 }, (_, i) => (i * 7) % 400)
  const locals = Array.from({ length: 17 }, (_, i) => Array<number>(2 ** i).fill(i)).flat()
  const body = [0, ...calls.flatMap((n) => [0x10, ...leb(n)]), ...locals.flatMap((n) => [0x20, n]), 0x0b]
  const code = [1, ...leb(body.length), ...body]
  const functions = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, 10, ...leb(code.length), ...code])
  expect(joined(packed(functions))).toEqual(functions)
})

test('the packed Wasm is a sixth smaller, once gzipped', () => {
  const size = (bytes: Uint8Array | string): number => gzipSync(bytes, { level: 9 }).length
  expect(size(pack(split(shrunk)))).toBeLessThan((5 / 6) * size(shrunk))
})
