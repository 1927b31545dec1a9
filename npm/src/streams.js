// A Wasm with its instructions and what they work on kept apart, each in a stream of its own. JavaScript itself, because the
// build takes it apart before TypeScript is compiled, and the browser puts it together.
//
// gzip and brotli look for what stands there twice. In a Wasm that is the instructions, one after the other, which differ
// only in the numbers between them: `local.get 3`, `local.get 17`. Apart, instructions are like instructions, local variables
// like local variables, and both together 10 % smaller.

// The streams, in their order: next to each other is what gzip had better see together, because it writes thousands of bytes
// with the same code.
const [REST, BRANCH, SET, GET, LOAD, STORE, CONST, CALL, OP] = Array(9).keys()
const STREAMS = 9

const [BLOCK, IF, END, BR_TABLE, FIRST_LOAD, LAST_STORE, BULK, FILL] = [0x02, 0x04, 0x0b, 0x0e, 0x28, 0x3e, 0xfc, 11]
/** No instructions, but what a function begins with: how long it is, and its local variables. */
const [SIZE, LOCALS] = [0x100, 0x101]

/** Walks over a Wasm, the instructions of which stand from `start` to `end`: `move` says of each byte in which stream it is. */
function walk(bytes, start, end, move) {
  // How many immediates follow an instruction, and in which stream they are (WebAssembly Core Specification, section 5.4).
  // Those that nobody thought of pass for instructions, which costs bytes, but leads nothing astray.
  const many = new Uint8Array(LOCALS + 1)
  const streams = new Uint8Array(LOCALS + 1).fill(OP)
  const say = (first, last, count, stream) => {
    many.fill(count, first, last + 1)
    streams.fill(stream, first, last + 1)
  }
  say(BLOCK, IF, 1, OP)
  say(0x0c, BR_TABLE, 1, BRANCH)
  say(0x10, 0x10, 1, CALL)
  say(0x11, 0x11, 2, OP)
  say(0x20, 0x20, 1, GET)
  say(0x21, 0x22, 1, SET)
  say(0x23, 0x26, 1, OP)
  say(FIRST_LOAD, 0x35, 2, LOAD)
  say(0x36, LAST_STORE, 2, STORE)
  say(0x41, 0x42, 1, CONST)
  say(BULK, BULK, 1, OP)
  say(SIZE, LOCALS, 1, REST)

  let op = SIZE
  let left = 1
  /** Whether the next immediate says how many follow it. */
  let counts = false
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    if (at < start || at >= end) {
      move(at, REST)
    } else if (left === 0) {
      move(at, OP)
      op = bytes[at]
      left = many[op]
      counts = op === BR_TABLE
      if (op >= BLOCK && op <= IF) depth++
      if (op === END && depth-- === 0) {
        op = SIZE
        left = 1
        depth = 0
      }
    } else {
      // The alignment belongs to the instruction.
      move(at, left === 2 && op >= FIRST_LOAD && op <= LAST_STORE ? OP : streams[op])
      const byte = bytes[at]
      // A number goes on until a byte below 128 (LEB128).
      if (byte > 127) continue
      left--
      if (counts) {
        left = op === LOCALS ? 2 * byte : byte + 1
        counts = false
      } else if (left === 0 && op === SIZE) {
        op = LOCALS
        left = 1
        counts = true
      } else if (left === 0 && op === BULK) {
        op = LOCALS - 2
        left = byte < 8 ? 0 : byte === FILL ? 1 : 2
      }
    }
  }
}

const NUMBERS = 3 + STREAMS

/**
 * @param {Uint8Array} wasm
 * @returns {Uint8Array} the bytes of all streams; before them, in four bytes each, what is where, and the instructions in the
 * order of how often they are there: the first have the shortest text
 */
export function split(wasm) {
  const [start, end] = codeOf(wasm)
  /** @type {number[][]} */
  const streams = Array.from({ length: STREAMS }, () => [])
  walk(wasm, start, end, (at, stream) => streams[stream].push(wasm[at]))
  const counts = new Map()
  for (const op of streams[OP]) counts.set(op, (counts.get(op) ?? 0) + 1)
  const ranks = Array.from({ length: 256 }, (_, op) => op).sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0))
  const used = ranks.slice(0, counts.size)
  streams[OP] = streams[OP].map((op) => used.indexOf(op))
  const numbers = [wasm.length, start, end, ...streams.map(({ length }) => length)]
  return Uint8Array.from([...numbers.flatMap((number) => [0, 7, 14, 21].map((bits) => (number >> bits) & 127)), used.length, ...used, ...streams.flat()])
}

/**
 * @param {Uint8Array} bytes - what `split` made
 * @returns {Uint8Array<ArrayBuffer>} the Wasm
 */
export function join(bytes) {
  let at = 0
  const [length, start, end, ...lengths] = Array.from({ length: NUMBERS }, () => {
    at += 4
    return bytes[at - 4] | (bytes[at - 3] << 7) | (bytes[at - 2] << 14) | (bytes[at - 1] << 21)
  })
  const ops = bytes.subarray(at + 1, (at += 1 + bytes[at]))
  const heads = lengths.map((length) => (at += length) - length)
  const wasm = new Uint8Array(length)
  walk(wasm, start, end, (place, stream) => {
    const byte = bytes[heads[stream]++]
    wasm[place] = stream === OP ? ops[byte] : byte
  })
  return wasm
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
