// Removes the part of a Wasm's data that only panics read: the texts of their messages, and the file, line and column
// of each place in the source that can panic. Data that are never read can be zeros, which need no data segment.
import { WasmReader } from './wasm-reader.mjs'

/** The panic messages of the standard library and of wasm-bindgen. A message that does not occur is ignored. */
const SAID = [
  'attempted to take ownership of Rust value while it was borrowed',
  'null pointer passed to rust',
  'recursive use of an object detected which would lead to unsafe aliasing in rust',
  'closure invoked recursively or after being dropped',
  'called `Result::unwrap()` on an `Err` value',
  'called `Option::unwrap()` on a `None` value',
  'Tried to shrink to a larger capacity',
  'RefCell already mutably borrowed',
  'RefCell already borrowed',
  'capacity overflow',
  'LayoutError',
  'mid > len',
  // With the marks of the inserted values.
  '\x16slice index starts at \xc0\r but ends at \xc0',
  ' index out of bounds: the len is \xc0\x12 but the index is \xc0',
  '\x12range start index \xc0" out of range for slice of length \xc0',
  '\x10range end index \xc0" out of range for slice of length \xc0',
  '\x14insertion index (is \xc0\x17) should be <= len (is \xc0\x01)',
  '\x12removal index (is \xc0\x16) should be < len (is \xc0\x01)',
  // The texts with which numbers are formatted.
  Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0')).join(''),
]

const CUSTOM = 0
const DATA = 11
const DATA_NAMES = 9
const [DOT, UNDERSCORE] = Buffer.from('._')
/** The size of `core::panic::Location`: the address and length of the file's name, the line, and the column. */
const LOCATION_BYTES = 16

/** @returns {Uint8Array} a Wasm of the same length */
export function withoutPanicData(/** @type {Uint8Array} */ given) {
  const bytes = Uint8Array.from(given)
  const segments = dataOf(bytes)
  if (segments.length === 0) throw new Error('the Wasm has no data')
  const start = Math.min(...segments.map(({ address }) => address))
  const end = Math.max(...segments.map(({ address, length }) => address + length))
  // The memory image. Bytes that no segment sets are zeros.
  const image = new Uint8Array(end - start + LOCATION_BYTES)
  for (const { at, address, length } of segments) image.set(bytes.subarray(at, at + length), address - start)

  const clear = (from, length) => image.fill(0, from, from + length)
  const text = Buffer.from(image).toString('latin1')
  for (const said of SAID) {
    for (let at = -1; (at = text.indexOf(said, at + 1)) >= 0; ) clear(at, said.length)
  }
  const view = new DataView(image.buffer)
  const files = []
  for (let at = -start & 3; at + LOCATION_BYTES <= image.length; at += 4) {
    const [file, length, line, column] = [0, 4, 8, 12].map((field) => view.getUint32(at + field, true))
    const name = file >= start && length < 200 ? text.slice(file - start, file - start + length) : ''
    if (!/^[\w./-]+\.rs$/.test(name) || line === 0 || line > 99_999 || column === 0 || column > 999) continue
    clear(at, LOCATION_BYTES)
    files.push([file - start, length])
  }
  if (files.length === 0) throw new Error('no place in the source is known where the Wasm could panic: has their form changed?')
  for (const [at, length] of files) clear(at, length)

  for (const { at, address, length } of segments) bytes.set(image.subarray(address - start, address - start + length), at)
  return bytes
}

/**
 * The position of each data segment in the file, and its address. Removes the dots from the segments' names, because
 * binaryen calls the parts of a split segment `name` and `name.1`, and such names may already exist.
 */
function dataOf(bytes) {
  const wasm = new WasmReader(bytes)
  const segments = []
  while (wasm.at < bytes.length) {
    const id = wasm.byte()
    const end = wasm.number() + wasm.at
    if (id === DATA) {
      for (let left = wasm.number(); left > 0; left--) {
        // An active segment of the only memory: `i32.const` and its number, and the end of that expression.
        const [kind, constant] = [wasm.number(), wasm.byte()]
        if (kind !== 0 || constant !== 0x41) throw new Error('a segment of data whose place is not known beforehand')
        const address = wasm.number()
        wasm.at++
        const length = wasm.number()
        segments.push({ at: wasm.at, address, length })
        wasm.at += length
      }
    } else if (id === CUSTOM && wasm.name() === 'name') {
      while (wasm.at < end) {
        const kind = wasm.byte()
        const until = wasm.number() + wasm.at
        if (kind === DATA_NAMES) bytes.subarray(wasm.at, until).forEach((byte, i, names) => byte === DOT && (names[i] = UNDERSCORE))
        wasm.at = until
      }
    }
    wasm.at = end
  }
  return segments
}
