// Generates the Wasm of some hundred bytes that puts the package's Wasm together in a browser. JavaScript would take 10
// ms for it (40 on a slow phone), because a browser has to run it before it has compiled it; this takes 4.
//
// The text (`src/packed.js`) is in memory from TEXT on, and is unpacked in place. After it follow its instructions, the
// Wasm, the lists of recent numbers, and the numbers themselves. `run(length of the text)` returns the address at which
// the Wasm begins, and `end` the one at which it ends.
import binaryen from 'binaryen'
import { BITS, LONGEST_CODE, SYMBOLS } from './src/code.js'
import { EXCLUDED, FIRST, ONE } from './src/packed.js'
import { LOCALS, LONGEST } from './src/recent.js'
import { BESIDE, KIND, KINDS, NUMBERS, STREAM, STREAMS } from './src/streams.js'

/**
 * The layout of the memory before the text: for each instruction the kind of its operands; the numbers of local
 * variables; and for each stream the count of codes of each length, and the symbols in their order.
 */
const WHAT = 0
const LOCAL = 256
const COUNTS = 512
const CODES = 2048
export const TEXT = 8192
/** The size of a list of recent numbers: their count, and the position of each. */
const LIST = 4 + 4 * LONGEST
/**
 * The lists: one for each stream and instruction; in the place of the first stream, which has none, the list for local
 * variables, its initial content, and the lists for whole streams.
 */
const LOCALS_LIST = STREAMS * LIST
const LOCALS_BEGIN = LOCALS_LIST + LIST
const LISTS = STREAMS * 256 * LIST
/** The most numbers that are stored nowhere else. */
const POOL = 65_536
const PAGE_BITS = 16

const escaped = (bytes) => Array.from(bytes, (byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('')
const oneOf = (name, cases, otherwise) =>
  cases.reduceRight((other, [is, value]) => `(if (result i32) (i32.eq (local.get $${name}) (i32.const ${is})) (then ${value}) (else ${other}))`, otherwise)
const beside = (stream) => `(i32.load8_u (i32.add (global.get $op) (i32.const ${BESIDE[stream]})))`

const WAT = `(module
  (memory (export "memory") 1)
  (global $lists (export "end") (mut i32) (i32.const 0))
  (data (i32.const ${WHAT}) "${escaped(KINDS)}")
  ;; Where the next byte of the Wasm goes, and where the next instruction, the next of what is none, and the next six bits are.
  (global $at (mut i32) (i32.const 0))
  (global $op (mut i32) (i32.const 0))
  (global $rest (mut i32) (i32.const 0))
  (global $bits (mut i32) (i32.const 0))
  (global $left (mut i32) (i32.const 0))
  (global $pairs (mut i32) (i32.const 0))
  (global $symbols (mut i32) (i32.const 0))
  (global $pool (mut i32) (i32.const 0))

  (func $put (param $b i32)
    (i32.store8 (global.get $at) (local.get $b))
    (global.set $at (i32.add (global.get $at) (i32.const 1))))

  ;; Puts the bytes that a symbol stands for.
  (func $expand (param $symbol i32) (local $left i32) (local $right i32)
    (local.set $left (i32.load8_u (local.tee $symbol (i32.add (global.get $pairs) (local.get $symbol)))))
    (if (local.tee $right (i32.load8_u (i32.add (local.get $symbol) (global.get $symbols))))
      (then
        (call $expand (local.get $left))
        (call $expand (i32.sub (local.get $right) (i32.const 1))))
      (else (call $put (local.get $left)))))

  ;; Puts the next byte of an instruction, and says what it was.
  (func $byte (result i32) (local $b i32)
    (call $put (local.tee $b (i32.load8_u (global.get $op))))
    (global.set $op (i32.add (global.get $op) (i32.const 1)))
    (local.get $b))

  ;; Puts the number at a place, and says what is behind it.
  (func $copy (param $p i32) (result i32) (local $b i32)
    (loop $next
      (call $put (local.tee $b (i32.load8_u (local.get $p))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br_if $next (i32.gt_u (local.get $b) (i32.const 127))))
    (local.get $p))

  ;; From the lengths of a stream's codes, the codes: how many are of each length, and the symbols in their order.
  (func $code (param $stream i32) (param $lengths i32) (local $counts i32) (local $codes i32) (local $length i32) (local $i i32)
    (local.set $counts (i32.add (i32.const ${COUNTS}) (i32.shl (local.get $stream) (i32.const 6))))
    (local.set $codes (i32.add (i32.const ${CODES}) (i32.shl (local.get $stream) (i32.const 8))))
    (local.set $length (i32.const 1))
    (loop $next
      (local.set $i (i32.const 0))
      (loop $symbol
        (if (i32.eq (i32.load8_u (i32.add (local.get $lengths) (local.get $i))) (local.get $length))
          (then
            (i32.store8 (local.get $codes) (local.get $i))
            (local.set $codes (i32.add (local.get $codes) (i32.const 1)))
            (i32.store (local.get $counts) (i32.add (i32.load (local.get $counts)) (i32.const 1)))))
        (br_if $symbol (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${SYMBOLS}))))
      (local.set $counts (i32.add (local.get $counts) (i32.const 4)))
      (br_if $next (i32.le_u (local.tee $length (i32.add (local.get $length) (i32.const 1))) (i32.const ${LONGEST_CODE})))))

  ;; The next symbol of a stream.
  (func $symbol (param $stream i32) (result i32) (local $counts i32) (local $codes i32) (local $code i32) (local $count i32)
    (local.set $counts (i32.add (i32.const ${COUNTS}) (i32.shl (local.get $stream) (i32.const 6))))
    (local.set $codes (i32.add (i32.const ${CODES}) (i32.shl (local.get $stream) (i32.const 8))))
    ;; Of the codes of one length after the other, the first is 0 here.
    (loop $next
      (if (i32.eqz (global.get $left))
        (then
          (global.set $left (i32.const ${BITS}))
          (global.set $bits (i32.add (global.get $bits) (i32.const 1)))))
      (global.set $left (i32.sub (global.get $left) (i32.const 1)))
      (local.set $code
        (i32.or
          (i32.shl (local.get $code) (i32.const 1))
          (i32.and (i32.shr_u (i32.load8_u (global.get $bits)) (global.get $left)) (i32.const 1))))
      (local.set $count (i32.load (local.get $counts)))
      (local.set $counts (i32.add (local.get $counts) (i32.const 4)))
      (if (i32.ge_u (local.get $code) (local.get $count))
        (then
          (local.set $code (i32.sub (local.get $code) (local.get $count)))
          (local.set $codes (i32.add (local.get $codes) (local.get $count)))
          (br $next))))
    (i32.load8_u (i32.add (local.get $codes) (local.get $code))))

  ;; Uses the number at a place in a list, counted from 1, or where it is 0 this new one, and says where it is.
  (func $use (param $list i32) (param $place i32) (param $p i32) (result i32) (local $to i32)
    (if (local.get $place)
      (then
        (local.set $place (i32.sub (local.get $place) (i32.const 1)))
        (local.set $p (i32.load offset=4 (i32.add (local.get $list) (i32.shl (local.get $place) (i32.const 2))))))
      (else
        (local.set $place (i32.load (local.get $list)))
        (if (i32.lt_u (local.get $place) (i32.const ${LONGEST}))
          (then (i32.store (local.get $list) (i32.add (local.get $place) (i32.const 1))))
          (else (local.set $place (i32.const ${LONGEST - 1}))))))
    (local.set $to (i32.add (i32.add (local.get $list) (i32.const 4)) (i32.shl (i32.div_u (local.get $place) (i32.const 3)) (i32.const 2))))
    (memory.copy
      (i32.add (local.get $to) (i32.const 4))
      (local.get $to)
      (i32.sub (i32.add (i32.add (local.get $list) (i32.const 4)) (i32.shl (local.get $place) (i32.const 2))) (local.get $to)))
    (i32.store (local.get $to) (local.get $p))
    (local.get $p))

  ;; Puts the next number of a stream, and says how it begins.
  (func $number (param $stream i32) (result i32) (local $list i32) (local $all i32) (local $place i32) (local $p i32) (local $end i32)
    (if (local.get $stream)
      (then
        (local.set $list
          (i32.add
            (global.get $lists)
            ${oneOf(
              'stream',
              [STREAM.GET, STREAM.SET].map((stream) => [stream, `(i32.const ${LOCALS_LIST})`]),
              `(i32.mul
                (i32.add
                  (i32.shl (local.get $stream) (i32.const 8))
                  ${oneOf('stream', Object.keys(BESIDE).map((stream) => [stream, beside(stream)]), '(i32.const 0)')})
                (i32.const ${LIST}))`,
            )}))
        (local.set $p
          (if (result i32) (local.tee $place (call $symbol (local.get $stream)))
            (then (call $use (local.get $list) (local.get $place) (i32.const 0)))
            (else
              (local.set $all (i32.add (global.get $lists) (i32.mul (local.get $stream) (i32.const ${LIST}))))
              (local.set $place (call $symbol (i32.const ${STREAM.AGAIN})))
              (if (i32.eqz (local.get $place))
                (then
                  (local.set $p (local.tee $end (global.get $pool)))
                  (loop $next
                    (i32.store8 (local.get $end) (call $symbol (i32.const ${STREAM.NEW})))
                    (local.set $end (i32.add (local.get $end) (i32.const 1)))
                    (br_if $next (i32.gt_u (i32.load8_u (i32.sub (local.get $end) (i32.const 1))) (i32.const 127))))
                  (global.set $pool (local.get $end))))
              (call $use (local.get $list) (i32.const 0) (call $use (local.get $all) (local.get $place) (local.get $p))))))
        (drop (call $copy (local.get $p))))
      (else
        (local.set $p (global.get $rest))
        (global.set $rest (call $copy (local.get $p)))))
    (i32.load8_u (local.get $p)))

  (func $numbers (param $stream i32) (param $count i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (drop (call $number (local.get $stream)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next))))

  ;; The text lies where it is unpacked.
  (func $unpack (param $length i32) (local $i i32) (local $c i32) (local $lift i32)
    (local.set $i (i32.const ${TEXT}))
    (global.set $at (i32.const ${TEXT}))
    (local.set $length (i32.add (local.get $length) (i32.const ${TEXT})))
    (loop $next
      (local.set $c (i32.load8_u (local.get $i)))
      (local.set $c (i32.sub (local.get $c) ${EXCLUDED.reduce((sum, code) => `(i32.add ${sum} (i32.gt_u (local.get $c) (i32.const ${code})))`, `(i32.const ${FIRST})`)}))
      (if (i32.lt_u (local.get $c) (i32.const ${ONE}))
        (then
          (call $put (i32.add (local.get $lift) (local.get $c)))
          (local.set $lift (i32.const 0)))
        (else (local.set $lift (i32.mul (i32.sub (local.get $c) (i32.const ${ONE - 1})) (i32.const ${ONE})))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $length)))))

  ;; One function, without its length.
  (func $function (local $depth i32) (local $kind i32) (local $follow i32)
    ;; It begins with no variable used before another one.
    (memory.copy (i32.add (global.get $lists) (i32.const ${LOCALS_LIST})) (i32.add (global.get $lists) (i32.const ${LOCALS_BEGIN})) (i32.const ${LIST}))
    ;; The kinds of local variables.
    (call $numbers (i32.const ${STREAM.REST}) (i32.shl (call $number (i32.const ${STREAM.REST})) (i32.const 1)))
    (local.set $depth (i32.const 1))
    (loop $next
      (local.set $kind (i32.load8_u offset=${WHAT} (call $byte)))
      (if (i32.gt_u (local.get $kind) (i32.const ${KIND.ALIGNED}))
        (then
          (drop (call $byte))
          (local.set $kind (i32.sub (local.get $kind) (i32.const ${KIND.ALIGNED})))))
      (if (i32.lt_u (local.get $kind) (i32.const ${KIND.PLAIN}))
        (then (drop (call $number (local.get $kind))))
        (else
          (if (i32.eq (local.get $kind) (i32.const ${KIND.TABLE}))
            (then (call $numbers (i32.const ${STREAM.BRANCH}) (i32.add (call $number (i32.const ${STREAM.BRANCH})) (i32.const 1)))))
          (local.set $follow ${oneOf(
            'kind',
            [
              [KIND.ONE_BYTE, '(i32.const 1)'],
              [KIND.TWO_BYTES, '(i32.const 2)'],
              [KIND.EIGHT_BYTES, '(i32.const 8)'],
              [KIND.DEEPER, '(i32.const 1)'],
              [KIND.COUNTED, '(call $byte)'],
            ],
            '(i32.const 0)',
          )})
          (if (i32.eq (local.get $kind) (i32.const ${KIND.BULK}))
            (then
              (local.set $follow (call $byte))
              (local.set $follow
                (select (i32.const 0)
                  (select (i32.const 2) (i32.const 1)
                    (i32.and (i32.lt_u (local.get $follow) (i32.const 15)) (i32.eqz (i32.and (local.get $follow) (i32.const 1)))))
                  (i32.lt_u (local.get $follow) (i32.const 8))))))
          (block $done
            (loop $more
              (br_if $done (i32.eqz (local.get $follow)))
              (drop (call $byte))
              (local.set $follow (i32.sub (local.get $follow) (i32.const 1)))
              (br $more)))
          (local.set $depth
            (i32.add (local.get $depth)
              (i32.sub (i32.eq (local.get $kind) (i32.const ${KIND.DEEPER})) (i32.eq (local.get $kind) (i32.const ${KIND.OUT})))))))
      (br_if $next (local.get $depth))))

  ;; Says where the Wasm is.
  (func (export "run") (param $length i32) (result i32)
    (local $i i32) (local $p i32) (local $out i32) (local $end i32) (local $begin i32) (local $size i32) (local $more i32)
    (call $unpack (local.get $length))
    (global.set $symbols (i32.load8_u (i32.const ${TEXT + 4 * NUMBERS})))
    (global.set $pairs (i32.const ${TEXT + 4 * NUMBERS + 1}))
    (local.set $p (i32.add (global.get $pairs) (i32.shl (global.get $symbols) (i32.const 1))))
    (loop $codes
      (call $code (local.get $i) (local.get $p))
      (local.set $p (i32.add (local.get $p) (i32.const ${SYMBOLS})))
      (br_if $codes (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${STREAMS}))))
    (global.set $rest (local.get $p))
    (local.set $p (i32.add (local.get $p) (i32.load (i32.const ${TEXT + 12}))))
    (global.set $bits (i32.add (local.get $p) (i32.load (i32.const ${TEXT + 16}))))
    (local.set $size (i32.load (i32.const ${TEXT})))
    (drop (memory.grow
      (i32.shr_u (i32.add (i32.shl (local.get $size) (i32.const 1)) (i32.const ${LISTS + POOL + 65_536})) (i32.const ${PAGE_BITS}))))
    ;; Before the first one are two that are none.
    (global.set $op (i32.add (local.get $length) (i32.const ${TEXT + 2})))
    (global.set $at (global.get $op))
    (loop $expand
      (call $expand (i32.load8_u (local.get $p)))
      (br_if $expand (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (global.get $bits))))
    (global.set $bits (i32.sub (global.get $bits) (i32.const 1)))
    (local.set $out (global.get $at))
    (global.set $lists (i32.add (local.get $out) (local.get $size)))
    (global.set $pool (i32.add (global.get $lists) (i32.const ${LISTS})))
    (local.set $p (i32.add (global.get $lists) (i32.const ${LOCALS_BEGIN})))
    (i32.store (local.get $p) (i32.const ${LOCALS}))
    (local.set $i (i32.const 0))
    (loop $locals
      (i32.store8 offset=${LOCAL} (local.get $i) (local.get $i))
      (i32.store (local.tee $p (i32.add (local.get $p) (i32.const 4))) (i32.add (local.get $i) (i32.const ${LOCAL})))
      (br_if $locals (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${LOCALS}))))
    ;; What is before the functions.
    (local.set $size (i32.load (i32.const ${TEXT + 4})))
    (memory.copy (local.get $out) (global.get $rest) (local.get $size))
    (global.set $rest (i32.add (global.get $rest) (local.get $size)))
    (global.set $at (i32.add (local.get $out) (local.get $size)))
    (local.set $end (i32.add (local.get $out) (i32.load (i32.const ${TEXT + 8}))))
    (loop $functions
      (global.set $at (local.tee $begin (i32.add (global.get $at) (i32.const 1))))
      (call $function)
      ;; Before it goes how long it is, in as many bytes as that takes.
      (local.set $size (i32.sub (global.get $at) (local.get $begin)))
      (local.set $more (i32.add (i32.gt_u (local.get $size) (i32.const 127)) (i32.gt_u (local.get $size) (i32.const 16383))))
      (memory.copy (i32.add (local.get $begin) (local.get $more)) (local.get $begin) (local.get $size))
      (global.set $at (i32.add (global.get $at) (local.get $more)))
      (local.set $p (i32.sub (local.get $begin) (i32.const 1)))
      (loop $length
        (i32.store8 (local.get $p)
          (i32.or (i32.and (local.get $size) (i32.const 127)) (i32.shl (i32.gt_u (local.get $size) (i32.const 127)) (i32.const 7))))
        (local.set $size (i32.shr_u (local.get $size) (i32.const 7)))
        (br_if $length (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.add (local.get $begin) (local.get $more)))))
      (br_if $functions (i32.lt_u (global.get $at) (local.get $end))))
    ;; What is behind them.
    (memory.copy (local.get $end) (global.get $rest) (i32.sub (global.get $lists) (local.get $end)))
    (local.get $out)))`

/** @returns {string} the unpacker, in base64 */
export function unpacker() {
  return (made ??= make())
}

let made

function make() {
  const module = binaryen.parseText(WAT)
  module.setFeatures(binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt | binaryen.Features.MutableGlobals)
  if (!module.validate()) throw new Error('the unpacker is no Wasm')
  binaryen.setOptimizeLevel(2)
  binaryen.setShrinkLevel(2)
  module.optimize()
  const bytes = module.emitBinary()
  module.dispose()
  return Buffer.from(bytes).toString('base64')
}
