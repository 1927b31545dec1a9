// The number of bytes in a Wasm's code by crate, from the names of its functions; a generic function counts for the
// crate that defines it, not for the one that uses it.
import { WasmReader } from './wasm-reader.mjs'

const CODE = 10
const CUSTOM = 0
const IMPORTS = 2
const FUNCTION_NAMES = 1

/** @returns {Map<string, number>} bytes of code by crate, the largest first, and of all parts that are not code */
export function sizeByCrate(/** @type {Uint8Array} */ bytes) {
  const wasm = new WasmReader(bytes)
  const list = (read) => Array.from({ length: wasm.number() }, read)

  let imported = 0
  let sizes = []
  let other = 0
  const names = new Map()
  const kinds = [() => (imported++, wasm.number()), () => (wasm.at++, wasm.limits()), () => wasm.limits(), () => (wasm.at += 2)]
  while (wasm.at < bytes.length) {
    const id = wasm.byte()
    const size = wasm.number()
    const end = wasm.at + size
    if (id === IMPORTS) list(() => (wasm.name(), wasm.name(), kinds[wasm.byte()]()))
    if (id === CODE) {
      sizes = list(() => {
        const length = wasm.number()
        wasm.at += length
        return length
      })
    } else if (id === CUSTOM && wasm.name() === 'name') {
      while (wasm.at < end) {
        const kind = wasm.byte()
        const until = wasm.number() + wasm.at
        if (kind === FUNCTION_NAMES) list(() => names.set(wasm.number(), wasm.name()))
        wasm.at = until
      }
    } else if (id !== CUSTOM) {
      other += size
    }
    wasm.at = end
  }
  const crates = new Map()
  for (const [index, size] of sizes.entries()) {
    const crate = crateOf(names.get(imported + index) ?? '')
    crates.set(crate, (crates.get(crate) ?? 0) + size)
  }
  return new Map([...crates, ['(imports, exports, data)', other]].sort(([, a], [, b]) => b - a))
}

/** `<alloc::vec::Vec<T> as core::ops::Drop>::drop` belongs to `alloc`; an exported function has a plain name. */
function crateOf(name) {
  if (!name.includes('::')) return '(exports and glue)'
  const [, crate] = /^(?:core::ptr::drop_in_place<)?[<&*(\[]*(?:dyn |mut )?([A-Za-z_]\w*)/.exec(name) ?? []
  return crate === 'T' ? '(generic)' : (crate ?? '(generic)')
}
