// A Wasm whose instructions and operands are kept apart, each in a stream of its own. The build takes the Wasm apart
// here, and the browser puts it together (`unpacker.mjs`).
//
// gzip and brotli look for repetitions, and find few in a Wasm: its instructions differ in the numbers between them
// (`local.get 3`, `local.get 17`). So the build does what a browser can undo in little time:
//
// - Instructions that often follow each other become one symbol (`pairs.js`). These symbols and all other sections are
//   left to the transport's compression.
// - A number is written as its place in a list of the numbers that were last seen beside the same instruction
//   (`recent.js`). These places look like noise to gzip, so each is written in as few bits as its frequency allows
//   (`code.js`).
// - Functions are written without their length, because their end is recognisable.
import { written } from './code.js'
import { merged } from './pairs.js'
import { LOCALS, Recent } from './recent.js'

/**
 * The streams. `REST` has everything outside the instructions; `AGAIN` the places of numbers that are new in their
 * list, but not in the whole stream; `NEW` the bytes of numbers that are new there, too.
 */
export const STREAM = { REST: 0, CALL: 1, CONST: 2, LOAD: 3, STORE: 4, BRANCH: 5, SET: 6, GET: 7, AGAIN: 8, NEW: 9 }
export const STREAMS = 10
const { REST, BRANCH, SET, GET, LOAD, STORE, CONST, CALL, AGAIN, NEW } = STREAM

const [BLOCK, IF, END, BR_TABLE, CALL_INDIRECT, SELECT] = [0x02, 0x04, 0x0b, 0x0e, 0x11, 0x1c]
const [GLOBAL, FIRST_LOAD, LAST_STORE, MEMORY, F64, NULL, BULK] = [0x23, 0x28, 0x3e, 0x40, 0x44, 0xd0, 0xfc]

/**
 * The operands of an instruction: a kind below `PLAIN` is the stream of its number. A kind above `ALIGNED` is that
 * stream plus `ALIGNED`, and a byte for the alignment of a load or store comes before the number.
 */
export const KIND = {
  PLAIN: 16,
  ONE_BYTE: 17,
  TWO_BYTES: 18,
  EIGHT_BYTES: 19,
  COUNTED: 20,
  BULK: 21,
  TABLE: 22,
  DEEPER: 23,
  OUT: 24,
  ALIGNED: 32,
}

/** The kind of each instruction. */
export const KINDS = new Uint8Array(256).fill(KIND.PLAIN)
for (const [first, last, kind] of [
  [BLOCK, IF, KIND.DEEPER],
  [END, END, KIND.OUT],
  [0x0c, 0x0d, BRANCH],
  [BR_TABLE, BR_TABLE, KIND.TABLE],
  [0x10, 0x10, CALL],
  [CALL_INDIRECT, CALL_INDIRECT, KIND.TWO_BYTES],
  [SELECT, SELECT, KIND.COUNTED],
  [0x20, 0x20, GET],
  [0x21, 0x22, SET],
  [GLOBAL, MEMORY, KIND.ONE_BYTE],
  [FIRST_LOAD, 0x35, KIND.ALIGNED | LOAD],
  [0x36, LAST_STORE, KIND.ALIGNED | STORE],
  [0x41, 0x42, CONST],
  [F64, F64, KIND.EIGHT_BYTES],
  [NULL, NULL, KIND.ONE_BYTE],
  [BULK, BULK, KIND.BULK],
]) {
  KINDS.fill(kind, first, last + 1)
}

/**
 * The position of the instruction that selects a number's list, relative to the next instruction. Other streams have
 * one list each.
 */
export const BESIDE = { [CONST]: 0, [CALL]: -2, [LOAD]: -2, [STORE]: -2 }

/** Reads the functions of a Wasm: the bytes of their instructions, and their numbers with their positions. */
function read(/** @type {Uint8Array} */ wasm, start, end) {
  const ops = []
  /** For each number its stream, its bytes, and the count of instruction bytes before it. */
  const numbers = []
  let at = start
  const next = () => {
    if (at >= end) throw new Error('a function does not end')
    return wasm[at++]
  }
  const byte = () => {
    ops.push(next())
    return ops.at(-1)
  }
  const number = (stream) => {
    const from = at
    while (next() > 127);
    numbers.push({ stream, bytes: wasm.subarray(from, at), before: ops.length })
    return wasm[from]
  }
  const bytes = (count) => {
    for (let left = count; left > 0; left--) byte()
  }
  const list = (count, stream) => {
    for (let left = count; left > 0; left--) number(stream)
  }
  while (at < end) {
    // The length of the function.
    while (wasm[at++] > 127);
    numbers.push({ begins: true })
    // The kinds of local variables.
    list(2 * number(REST), REST)
    for (let depth = 1; depth > 0; ) {
      let kind = KINDS[byte()]
      if (kind > KIND.ALIGNED) {
        byte()
        kind -= KIND.ALIGNED
      }
      if (kind < KIND.PLAIN) number(kind)
      else if (kind === KIND.TABLE) list(number(BRANCH) + 1, BRANCH)
      else if (kind === KIND.DEEPER) {
        depth++
        byte()
      } else if (kind === KIND.OUT) depth--
      else if (kind === KIND.ONE_BYTE) byte()
      else if (kind === KIND.TWO_BYTES) bytes(2)
      else if (kind === KIND.EIGHT_BYTES) bytes(8)
      else if (kind === KIND.COUNTED) bytes(byte())
      else if (kind === KIND.BULK) {
        const what = byte()
        bytes(what < 8 ? 0 : what < 15 && what % 2 === 0 ? 2 : 1)
      }
    }
  }
  return { ops, numbers }
}

/**
 * The header's numbers: the length of the whole, the beginning and end of the functions, and the lengths of `REST` and
 * of the instructions.
 */
export const NUMBERS = 5

/**
 * @param {Uint8Array} wasm
 * @returns {Uint8Array} the header, four bytes for each number; the number of instruction symbols, and the halves of
 * each (`pairs.js`); the codes of the other streams (`code.js`); `REST`; the instructions; and all other streams, six
 * bits in a byte
 */
export function split(wasm) {
  const [start, end] = functionsOf(wasm)
  const { ops, numbers } = read(wasm, start, end)
  const rest = [...wasm.subarray(0, start)]
  /** The stream and the symbol of each, in the order in which they are read. */
  const symbols = []
  const write = (stream, symbol) => symbols.push([stream, symbol])
  const lists = new Map()
  const placeIn = (name, number) => {
    if (!lists.has(name)) lists.set(name, new Recent())
    return lists.get(name).place(number)
  }
  for (const { begins, stream, bytes, before } of numbers) {
    if (begins) lists.set('locals', new Recent(Array.from({ length: LOCALS }, (_, local) => String(local))))
    else if (stream === REST) rest.push(...bytes)
    else {
      const number = bytes.join()
      const place = placeIn(stream === GET || stream === SET ? 'locals' : `${stream} ${stream in BESIDE ? ops[before + BESIDE[stream]] ?? 0 : 'all'}`, number)
      write(stream, place)
      const again = place === 0 ? placeIn(stream, number) : 1
      if (place === 0) write(AGAIN, again)
      if (again === 0) for (const byte of bytes) write(NEW, byte)
    }
  }
  rest.push(...wasm.subarray(end))
  const { pairs, text } = merged(ops)
  const { lengths, bits } = written(symbols, STREAMS, [NEW])
  const places = [wasm.length, start, end, rest.length, text.length].flatMap((number) => [0, 8, 16, 24].map((shift) => (number >> shift) & 255))
  return Uint8Array.from([...places, pairs.length, ...pairs.map(([left]) => left), ...pairs.map(([, right]) => right), ...lengths, ...rest, ...text, ...bits])
}

/** The position of the functions in the Wasm, without their count. */
function functionsOf(wasm) {
  let at = 8
  const number = () => {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = wasm[at++]
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }
  while (at < wasm.length) {
    const id = wasm[at++]
    const end = number() + at
    if (id === 10) {
      number()
      return [at, end]
    }
    at = end
  }
  throw new Error('a Wasm without functions')
}
