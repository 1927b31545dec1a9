// A Wasm with its instructions and what they work on kept apart, each in a stream of its own. The build takes it apart here, and the
// browser puts it together (`unpacker.mjs`).
//
// gzip and brotli look for what stands there twice. In a Wasm that is the instructions, one after the other, which differ
// only in the numbers between them: `local.get 3`, `local.get 17`. Apart, instructions are like instructions, local variables
// like local variables, and both together 10 % smaller. And functions, which end where they end, need not say how long they are.

// The streams, in their order: next to each other is what gzip had better see together, because it writes thousands of bytes
// with the same code. In the first is nothing: it stands for there being no number.
export const STREAM = { NONE: 0, REST: 1, BRANCH: 2, SET: 3, GET: 4, LOAD: 5, STORE: 6, CONST: 7, CALL: 8, OP: 9 }
export const STREAMS = 10
const { NONE, REST, BRANCH, SET, GET, LOAD, STORE, CONST, CALL, OP } = STREAM

const [BLOCK, IF, END, BR_TABLE, CALL_INDIRECT, SELECT] = [0x02, 0x04, 0x0b, 0x0e, 0x11, 0x1c]
const [GLOBAL, FIRST_LOAD, LAST_STORE, MEMORY, F64, NULL, BULK] = [0x23, 0x28, 0x3e, 0x40, 0x44, 0xd0, 0xfc]

/**
 * Walks over a function (WebAssembly Core Specification, section 5.4), whenever it is called. `byte()` moves a byte of an
 * instruction and `number(stream)` a number (LEB128); both say what it was, where that is less than 128.
 */
function walker(byte, number) {
  // In which stream the number is that follows an instruction, if it is not as much part of it as the alignment of a load.
  const streams = new Uint8Array(256)
  const say = (first, last, stream) => streams.fill(stream, first, last + 1)
  say(0x0c, BR_TABLE, BRANCH)
  say(0x10, 0x10, CALL)
  say(0x20, 0x20, GET)
  say(0x21, 0x22, SET)
  say(FIRST_LOAD, 0x35, LOAD)
  say(0x36, LAST_STORE, STORE)
  say(0x41, 0x42, CONST)

  const bytes = (count) => {
    for (let left = count; left > 0; left--) byte()
  }
  const numbers = (count, stream) => {
    for (let left = count; left > 0; left--) number(stream)
  }
  return () => {
    // The kinds of local variables.
    numbers(2 * number(REST), REST)
    for (let depth = 1; depth > 0; ) {
      const op = byte()
      const stream = streams[op]
      if (op >= GLOBAL && op <= MEMORY) byte()
      if (stream !== NONE) {
        const value = number(stream)
        if (op === BR_TABLE) numbers(value + 1, BRANCH)
      } else if (op === END) {
        depth--
      } else if (op >= BLOCK && op <= IF) {
        depth++
        byte()
      } else if (op === CALL_INDIRECT) bytes(2)
      else if (op === SELECT) bytes(byte())
      else if (op === F64) bytes(8)
      else if (op === NULL) byte()
      else if (op === BULK) {
        const what = byte()
        bytes(what < 8 ? 0 : what < 15 && what % 2 === 0 ? 2 : 1)
      }
    }
  }
}

/** What is where: the length of the whole, where the functions begin and end, and the lengths of the streams. */
export const NUMBERS = 3 + STREAMS

/**
 * @param {Uint8Array} wasm
 * @returns {Uint8Array} what is where, in four bytes each; the instructions in the order of how often they are there, of which
 * the first have the shortest text; and all streams
 */
export function split(wasm) {
  const [start, end] = codeOf(wasm)
  /** @type {number[][]} */
  const streams = Array.from({ length: STREAMS }, () => [])
  let at = start
  const unknown = () => new Error('the Wasm has an instruction that `walker` does not know')
  const move = (stream) => {
    if (at >= end) throw unknown()
    streams[stream].push(wasm[at])
    return wasm[at++]
  }
  const number = (stream) => {
    for (;;) {
      const byte = move(stream)
      if (byte < 128) return byte
    }
  }
  const walk = walker(() => move(OP), number)
  streams[REST].push(...wasm.subarray(0, start))
  while (at < end) {
    // How long it is.
    while (wasm[at++] > 127);
    walk()
  }
  streams[REST].push(...wasm.subarray(end))

  const counts = new Map()
  for (const op of streams[OP]) counts.set(op, (counts.get(op) ?? 0) + 1)
  const used = [...counts].sort(([, a], [, b]) => b - a).map(([op]) => op)
  streams[OP] = streams[OP].map((op) => used.indexOf(op))
  const numbers = [wasm.length, start, end, ...streams.map(({ length }) => length)]
  const places = numbers.flatMap((number) => [0, 7, 14, 21].map((bits) => (number >> bits) & 127))
  const bytes = Uint8Array.from([...places, used.length, ...used, ...streams.flat()])
  return bytes
}

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

/** Where the functions stand, without their number. */
function codeOf(wasm) {
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
