// A Wasm with its instructions and what they work on kept apart, each in a stream of its own. The build takes it apart here, and the
// browser puts it together (`unpacker.mjs`).
//
// gzip and brotli look for what stands there twice, and find little in a Wasm: its instructions differ in the numbers between them
// (`local.get 3`, `local.get 17`). So what a browser can undo in little time is done here:
//
// - Instructions that often follow each other become one symbol (`pairs.js`). These and what is no instruction are left to the
//   transport's compression.
// - A number is its place in a list of the numbers that were last seen beside the same instruction (`recent.js`). These places look
//   like noise to gzip, so they are written in as few bits as each is worth (`code.js`).
// - Functions, which end where they end, do not say how long they are.
import { written } from './code.js'
import { merged } from './pairs.js'
import { LOCALS, Recent } from './recent.js'

/** The streams. `REST` has what is no instruction; `AGAIN` the places of numbers that are new in their list, and not in all of the
 * stream; `NEW` the bytes of those that are new there, too. */
export const STREAM = { REST: 0, CALL: 1, CONST: 2, LOAD: 3, STORE: 4, BRANCH: 5, SET: 6, GET: 7, AGAIN: 8, NEW: 9 }
export const STREAMS = 10
const { REST, BRANCH, SET, GET, LOAD, STORE, CONST, CALL, AGAIN, NEW } = STREAM

const [BLOCK, IF, END, BR_TABLE, CALL_INDIRECT, SELECT] = [0x02, 0x04, 0x0b, 0x0e, 0x11, 0x1c]
const [GLOBAL, FIRST_LOAD, LAST_STORE, MEMORY, F64, NULL, BULK] = [0x23, 0x28, 0x3e, 0x40, 0x44, 0xd0, 0xfc]

/**
 * What follows an instruction: numbers below `PLAIN` are the stream of its number, and above `ALIGNED` so is what is left when that is
 * taken away, but before the number comes a byte, for how a load or store is aligned.
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

/** For each instruction. */
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

/** Where the instruction is that decides on a number's list, counted from the next one. Other streams have one list each. */
export const BESIDE = { [CONST]: 0, [CALL]: -2, [LOAD]: -2, [STORE]: -2 }

/** What a Wasm's functions consist of: the bytes of their instructions, and their numbers with where each is. */
function read(/** @type {Uint8Array} */ wasm, start, end) {
  const ops = []
  /** Of each number its stream, its bytes, and how many bytes of instructions are before it. */
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
    // How long it is.
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

/** What is where: the length of the whole, where the functions begin and end, and how long `REST` and the instructions are. */
export const NUMBERS = 5

/**
 * @param {Uint8Array} wasm
 * @returns {Uint8Array} what is where, in four bytes each; how many symbols of instructions there are, and the halves of each
 * (`pairs.js`); the codes of the other streams (`code.js`); `REST`; the instructions; and all other streams, six bits in a byte
 */
export function split(wasm) {
  const [start, end] = functionsOf(wasm)
  const { ops, numbers } = read(wasm, start, end)
  const rest = [...wasm.subarray(0, start)]
  /** In the order in which they are read: of which stream, and what. */
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
  const { lengths, bits } = written(symbols, STREAMS)
  const places = [wasm.length, start, end, rest.length, text.length].flatMap((number) => [0, 7, 14, 21].map((shift) => (number >> shift) & 127))
  return Uint8Array.from([...places, pairs.length, ...pairs.map(([left]) => left), ...pairs.map(([, right]) => right), ...lengths, ...rest, ...text, ...bits])
}

/** Where the functions stand, without their number. */
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
