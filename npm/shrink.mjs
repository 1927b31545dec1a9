// Shrinks wasm-pack's result for the package. It removes two things that the compiler cannot be told to leave out:
//
// - The formatting of panic messages. The client has no hook that would print a message: the Wasm traps with or without
//   it. So the functions that begin a panic become the trap itself, and the code that only they needed is removed: the
//   formatting, and in the data (`panic-data.mjs`) the texts and source positions.
// - The long names, each with a hash, of the Wasm's imports and exports.
import { readFileSync } from 'node:fs'
import binaryen from 'binaryen'
import { lean } from './glue.mjs'
import { withoutPanicData } from './panic-data.mjs'
import { WasmReader } from './wasm-reader.mjs'
import { glueFile, wasmFile } from './wasm.mjs'

/** Functions that never return: Rust's own, and those of its glue. */
const PANICS =
  /panicking::|cell::panic_already|slice_index_fail|unwrap_failed|assert_failed|raw_vec::(handle_error|capacity_overflow)|handle_alloc_error|::throw_(null|str)/
/**
 * Functions that format messages. The client itself never does, so every function that refers to them belongs to a
 * panic.
 */
const WORDS = /\bfmt::|panic_handler::/

/** The exports that the glue (`glue.mjs`) does not call, because an instance is collected as a whole. */
const FREES = ['__wbg_client_free', '__wbindgen_destroy_closure']

/** @returns {{ wasm: Uint8Array, glue: string }} the Wasm, and its JavaScript module */
export function shrink() {
  const { wasm, names, own } = renamed(trapping())
  // Functions that are imported directly join those that wasm-bindgen has wrapped, in one object.
  const taken = [...own].map(([module, functions]) => {
    const list = [...functions].map(([name, short]) => `${name} as own_${short}`)
    return `import { ${list.join(', ')} } from ${JSON.stringify(module)}\n`
  })
  const put = [...own.values()].flatMap((functions) => [...functions.values()].map((short) => `${JSON.stringify(short)}: own_${short},\n`))
  const glue = lean(readFileSync(glueFile, 'utf8'))
    .replace(/^import \* as import\d+ from .*\n/gm, '')
    .replace(/return \{\s+__proto__: null,\s+"[^"]+_bg\.js": import0,[^}]*\}/, `return { ${JSON.stringify(MODULE)}: import0 }`)
    .replace(/const import0 = \{\s+__proto__: null,/, (text) => text + put.join(''))
    // Imports are the fields of an object, some of which only a panic would have called; exports are read from `wasm`.
    .replace(/^ {8}(\w+): \(.*\) => \{\n(?: {12}.*\n)* {8}},\n/gm, (text, name) => (names.has(name) ? text : ''))
    .replace(/^( +)([^\s"]+)(: \()/gm, (line, indent, name, rest) => (names.has(name) ? `${indent}${JSON.stringify(names.get(name))}${rest}` : line))
    .replace(/\bwasm\.(\w+)/g, (text, name) => (names.has(name) ? `wasm[${JSON.stringify(names.get(name))}]` : text))
  return { wasm, glue: taken.join('') + glue }
}

/** The Wasm whose panics are traps, with the names of its functions if they are requested. */
export function trapping(named = false) {
  const module = binaryen.readBinary(withoutPanicData(readFileSync(wasmFile)))
  let trapped = 0
  for (let index = 0; index < module.getNumFunctions(); index++) {
    const ref = module.getFunctionByIndex(index)
    const { name, module: from } = binaryen.getFunctionInfo(ref)
    if (from || !PANICS.test(name)) continue
    binaryen.Function.setBody(ref, module.unreachable())
    trapped++
  }
  if (trapped === 0) throw new Error('no function of the Wasm is known to begin a panic: has it lost its names?')
  forget(module, WORDS)
  for (const name of FREES) module.removeExport(name)
  binaryen.setOptimizeLevel(2)
  binaryen.setShrinkLevel(2)
  // Both are true of rustc's output: no data lie below the stack, and memory begins as zeros.
  binaryen.setLowMemoryUnused(true)
  binaryen.setZeroFilledMemory(true)
  module.optimize()
  // Two passes for better compression: functions of the same module, which are similar, come next to each other; and
  // all loads and stores get the same alignment, a hint that no browser uses.
  module.runPasses(['reorder-functions-by-name', 'dealign'])
  for (let index = 0; index < module.getNumFunctions(); index++) {
    const { name, module: from } = binaryen.getFunctionInfo(module.getFunctionByIndex(index))
    if (!from && WORDS.test(name)) throw new Error(`the client words something, by ${name}: that costs a browser kilobytes`)
  }
  module.runPasses(['strip-producers', 'strip-target-features'])
  binaryen.setDebugInfo(named)
  const optimized = module.emitBinary()
  module.dispose()
  return optimized
}

/** Replaces such functions by a trap in the tables, through which functions are called without a name. */
function forget(module, which) {
  const trap = 'trap'
  module.addFunction(trap, binaryen.none, binaryen.none, [], module.unreachable())
  for (let index = module.getNumElementSegments(); index-- > 0; ) {
    const { name, table, offset, data } = binaryen.getElementSegmentInfo(module.getElementSegmentByIndex(index))
    module.removeElementSegment(name)
    const kept = data.map((one) => (which.test(one) ? trap : one))
    module.addActiveElementSegment(table, name, kept, module.copyExpression(offset))
  }
}

const IMPORTS = 2
const EXPORTS = 7

/** The module of all imports. */
const MODULE = '_'

/**
 * The Wasm with short names for its imports and exports; the mapping of the names; and the imports that wasm-bindgen
 * has not wrapped, by their modules.
 */
function renamed(bytes) {
  const names = new Map()
  const own = new Map()
  const short = (long) => {
    if (!names.has(long)) names.set(long, names.size.toString(36))
    return names.get(long)
  }
  const imported = (module, field) => {
    if (module.endsWith('_bg.js')) return short(field)
    const name = short(`${module} ${field}`)
    own.set(module, (own.get(module) ?? new Map()).set(field, name))
    return name
  }
  const out = [...bytes.subarray(0, 8)]
  const wasm = new WasmReader(bytes)
  const leb = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)])
  const named = (name) => [...leb(name.length), ...new TextEncoder().encode(name)]
  /** The bytes between here and the next name are kept. */
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
        if (module) entries.push(...named(MODULE), ...named(imported(module, field)))
        else entries.push(...named(short(field)))
        entries.push(...kept(() => (id === IMPORTS ? kinds[wasm.byte()]() : (wasm.at++, wasm.number()))))
      }
      body = [...leb(count), ...entries]
    }
    wasm.at = end
    out.push(id, ...leb(body.length))
    for (const byte of body) out.push(byte)
  }
  return { wasm: Uint8Array.from(out), names, own }
}
