// What wasm-pack built, made smaller for the package. Two things that the compiler cannot be told to leave out:
//
// - How a panic words its message. The client has no hook that would print it: with the text or without, the Wasm traps.
//   So the functions that begin a panic become the trap itself, and all that only they needed goes away.
// - The long names, each with a hash, under which the Wasm and its glue know each other.
import { readFileSync } from 'node:fs'
import binaryen from 'binaryen'
import { WasmReader } from './wasm-reader.mjs'
import { glueFile, wasmFile } from './wasm.mjs'

/** Rust's own functions that never return. */
const PANICS =
  /panicking::|cell::panic_already|slice_index_fail|unwrap_failed|assert_failed|raw_vec::(handle_error|capacity_overflow)|handle_alloc_error|::throw_null/

/** @returns {{ wasm: Uint8Array, glue: string }} the Wasm, and the module in JavaScript that loads it */
export function shrink() {
  const { wasm, names } = renamed(trapping())
  const glue = readFileSync(glueFile, 'utf8')
    // Imports are the fields of an object for each module; exports are read from `wasm`.
    .replace(/^( +)"?([^\s"]+)"?(: (?:function\(|import\d))/gm, (line, indent, name, rest) =>
      names.has(name) ? `${indent}${JSON.stringify(names.get(name))}${rest}` : line,
    )
    .replace(/\bwasm\.(\w+)/g, (text, name) => (names.has(name) ? `wasm[${JSON.stringify(names.get(name))}]` : text))
  return { wasm, glue }
}

/** The Wasm whose panics are traps, with the names of its functions where they are asked for. */
export function trapping(named = false) {
  const module = binaryen.readBinary(readFileSync(wasmFile))
  let trapped = 0
  for (let index = 0; index < module.getNumFunctions(); index++) {
    const ref = module.getFunctionByIndex(index)
    const { name, module: from } = binaryen.getFunctionInfo(ref)
    if (from || !PANICS.test(name)) continue
    binaryen.Function.setBody(ref, module.unreachable())
    trapped++
  }
  if (trapped === 0) throw new Error('no function of the Wasm is known to begin a panic: has it lost its names?')
  binaryen.setOptimizeLevel(2)
  binaryen.setShrinkLevel(2)
  // Both hold for what rustc makes: nothing lives below the stack, and memory begins as zeros.
  binaryen.setLowMemoryUnused(true)
  binaryen.setZeroFilledMemory(true)
  module.optimize()
  module.runPasses(['strip-producers', 'strip-target-features'])
  binaryen.setDebugInfo(named)
  const optimized = module.emitBinary()
  module.dispose()
  return optimized
}

const IMPORTS = 2
const EXPORTS = 7

/** The Wasm with short names for what it imports and exports, and which is whose. */
function renamed(bytes) {
  const names = new Map()
  const short = (long) => {
    if (!names.has(long)) names.set(long, names.size.toString(36))
    return names.get(long)
  }
  const out = [...bytes.subarray(0, 8)]
  const wasm = new WasmReader(bytes)
  const leb = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)])
  const plain = (name) => [...leb(name.length), ...new TextEncoder().encode(name)]
  const named = (long) => plain(short(long))
  /** What stands between here and the next name is kept as it is. */
  const kept = (read) => {
    const from = wasm.at
    read()
    return bytes.subarray(from, wasm.at)
  }
  const kinds = [() => wasm.number(), () => (wasm.at++, wasm.limits()), () => wasm.limits(), () => (wasm.at += 2), () => (wasm.at++, wasm.number())]
  while (wasm.at < bytes.length) {
    const id = wasm.byte()
    const size = wasm.number()
    const end = wasm.at + size
    let body = bytes.subarray(wasm.at, end)
    if (id === IMPORTS || id === EXPORTS) {
      const count = wasm.number()
      const entries = []
      for (let i = 0; i < count; i++) {
        const module = id === IMPORTS && wasm.name()
        const field = wasm.name()
        if (module) entries.push(...named(module))
        // What comes from a module of its own is known there by its own name.
        entries.push(...(module && !module.endsWith('_bg.js') ? plain(field) : named(field)))
        entries.push(...kept(() => (id === IMPORTS ? kinds[wasm.byte()]() : (wasm.at++, wasm.number()))))
      }
      body = [...leb(count), ...entries]
    }
    wasm.at = end
    out.push(id, ...leb(body.length))
    for (const byte of body) out.push(byte)
  }
  return { wasm: Uint8Array.from(out), names }
}
