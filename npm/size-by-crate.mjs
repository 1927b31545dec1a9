// How many bytes of a Wasm's code come of which crate: by the names of its functions, of which generic ones count where
// they are written, not where they are used.

const CODE = 10
const CUSTOM = 0
const IMPORTS = 2
const FUNCTION_NAMES = 1

/** @returns {Map<string, number>} bytes of code by crate, the largest first, and of all that is no code */
export function sizeByCrate(/** @type {Uint8Array} */ bytes) {
  const text = new TextDecoder()
  let at = 8
  const number = () => {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = bytes[at++]
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }
  const string = () => {
    const length = number()
    return text.decode(bytes.subarray(at, (at += length)))
  }
  const list = (read) => Array.from({ length: number() }, read)

  let imported = 0
  let sizes = []
  let other = 0
  const names = new Map()
  const limits = () => {
    const flags = number()
    number()
    if (flags & 1) number()
  }
  const kinds = [() => (imported++, number()), () => (at++, limits()), limits, () => (at += 2)]
  while (at < bytes.length) {
    const id = bytes[at++]
    const size = number()
    const end = at + size
    if (id === IMPORTS) list(() => (string(), string(), kinds[bytes[at++]]()))
    if (id === CODE) {
      sizes = list(() => {
        const length = number()
        at += length
        return length
      })
    } else if (id === CUSTOM && string() === 'name') {
      while (at < end) {
        const kind = bytes[at++]
        const until = number() + at
        if (kind === FUNCTION_NAMES) list(() => names.set(number(), string()))
        at = until
      }
    } else if (id !== CUSTOM) {
      other += size
    }
    at = end
  }
  const crates = new Map()
  for (const [index, size] of sizes.entries()) {
    const crate = crateOf(names.get(imported + index) ?? '')
    crates.set(crate, (crates.get(crate) ?? 0) + size)
  }
  return new Map([...crates, ['(imports, exports, data)', other]].sort(([, a], [, b]) => b - a))
}

/** `<alloc::vec::Vec<T> as core::ops::Drop>::drop` is of `alloc`; what is exported has a plain name. */
function crateOf(name) {
  if (!name.includes('::')) return '(exports and glue)'
  const [, crate] = /^(?:core::ptr::drop_in_place<)?[<&*(\[]*(?:dyn |mut )?([A-Za-z_]\w*)/.exec(name) ?? []
  return crate === 'T' ? '(generic)' : (crate ?? '(generic)')
}
