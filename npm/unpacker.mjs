// What puts the Wasm of the package together in a browser, as a Wasm of its own of some hundred bytes. JavaScript would take 10 ms for it
// (40 on a slow phone), because a browser has to run it before it has compiled it; this takes half a millisecond.
//
// The text (`src/packed.js`) lies in memory from TEXT on. It is unpacked where it lies, and its streams (`src/streams.js`) are joined
// behind it. `run(length of the text)` returns the length of the Wasm.
import binaryen from 'binaryen'
import { EXCLUDED, FIRST, ONE } from './src/packed.js'
import { KIND, KINDS, NUMBERS, STREAM, STREAMS } from './src/streams.js'

/** Where the text begins. Before it are the places at which the streams go on, four bytes each, and what each instruction is. */
export const TEXT = 1024
const WHAT = 64

const escaped = (bytes) => Array.from(bytes, (byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('')
const follows = (...cases) => cases.reduceRight((otherwise, [kind, count]) => `(select (i32.const ${count}) ${otherwise} (i32.eq (local.get $kind) (i32.const ${kind})))`, '(i32.const 0)')

const WAT = `(module
  (memory (export "memory") 1)
  (data (i32.const ${WHAT}) "${escaped(KINDS)}")
  (global $at (mut i32) (i32.const 0))
  (global $symbol (mut i32) (i32.const 0))
  (global $ops (mut i32) (i32.const 0))

  ;; A number of four times seven bits.
  (func $long (param $p i32) (result i32)
    (i32.or
      (i32.or (i32.load8_u (local.get $p)) (i32.shl (i32.load8_u offset=1 (local.get $p)) (i32.const 7)))
      (i32.or (i32.shl (i32.load8_u offset=2 (local.get $p)) (i32.const 14)) (i32.shl (i32.load8_u offset=3 (local.get $p)) (i32.const 21)))))

  ;; Puts the next byte of an instruction, and says what it was.
  (func $byte (result i32) (local $b i32)
    (i32.store8 (global.get $at) (local.tee $b (i32.load8_u (i32.add (global.get $ops) (i32.load8_u (global.get $symbol))))))
    (global.set $at (i32.add (global.get $at) (i32.const 1)))
    (global.set $symbol (i32.add (global.get $symbol) (i32.const 1)))
    (local.get $b))

  ;; Puts the next numbers of a stream, and says how the first of them begins.
  (func $numbers (param $stream i32) (param $count i32) (result i32) (local $p i32) (local $b i32) (local $first i32)
    (local.set $p (i32.load (local.tee $stream (i32.shl (local.get $stream) (i32.const 2)))))
    (local.set $first (i32.load8_u (local.get $p)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (i32.store8 (global.get $at) (local.tee $b (i32.load8_u (local.get $p))))
        (global.set $at (i32.add (global.get $at) (i32.const 1)))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $count (i32.sub (local.get $count) (i32.lt_u (local.get $b) (i32.const 128))))
        (br $next)))
    (i32.store (local.get $stream) (local.get $p))
    (local.get $first))

  (func $unpack (param $length i32) (local $i i32) (local $to i32) (local $c i32) (local $lift i32)
    (local.set $i (i32.const ${TEXT}))
    (local.set $to (i32.const ${TEXT}))
    (local.set $length (i32.add (local.get $length) (i32.const ${TEXT})))
    (loop $next
      (local.set $c (i32.load8_u (local.get $i)))
      (local.set $c (i32.sub (local.get $c) ${EXCLUDED.reduce((sum, code) => `(i32.add ${sum} (i32.gt_u (local.get $c) (i32.const ${code})))`, `(i32.const ${FIRST})`)}))
      (if (i32.lt_u (local.get $c) (i32.const ${ONE}))
        (then
          (i32.store8 (local.get $to) (i32.add (local.get $lift) (local.get $c)))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))
          (local.set $lift (i32.const 0)))
        (else (local.set $lift (i32.mul (i32.sub (local.get $c) (i32.const ${ONE - 1})) (i32.const ${ONE})))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $length)))))

  ;; One function, without its length.
  (func $function (local $depth i32) (local $kind i32) (local $follow i32)
    ;; The kinds of local variables.
    (local.set $follow (i32.load8_u (i32.load (i32.const ${4 * STREAM.REST}))))
    (drop (call $numbers (i32.const ${STREAM.REST}) (i32.add (i32.shl (local.get $follow) (i32.const 1)) (i32.const 1))))
    (local.set $depth (i32.const 1))
    (loop $next
      (local.set $kind (i32.load8_u offset=${WHAT} (call $byte)))
      (if (i32.gt_u (local.get $kind) (i32.const ${KIND.ALIGNED}))
        (then
          (drop (call $byte))
          (local.set $kind (i32.sub (local.get $kind) (i32.const ${KIND.ALIGNED})))))
      (if (i32.lt_u (local.get $kind) (i32.const ${KIND.PLAIN}))
        (then (drop (call $numbers (local.get $kind) (i32.const 1))))
        (else
          (local.set $follow ${follows([KIND.ONE_BYTE, 1], [KIND.TWO_BYTES, 2], [KIND.EIGHT_BYTES, 8], [KIND.DEEPER, 1])})
          (if (i32.eq (local.get $kind) (i32.const ${KIND.TABLE}))
            (then (drop (call $numbers (i32.const ${STREAM.BRANCH}) (i32.add (i32.load8_u (i32.load (i32.const ${4 * STREAM.BRANCH}))) (i32.const 2))))))
          (if (i32.eq (local.get $kind) (i32.const ${KIND.COUNTED})) (then (local.set $follow (call $byte))))
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

  (func (export "run") (param $length i32) (result i32)
    (local $i i32) (local $p i32) (local $rest i32) (local $out i32) (local $end i32) (local $begin i32) (local $size i32) (local $more i32)
    (call $unpack (local.get $length))
    (local.set $out (i32.add (local.get $length) (i32.const ${TEXT})))
    (local.set $p (i32.const ${TEXT + 4 * NUMBERS}))
    (global.set $ops (i32.add (local.get $p) (i32.const 1)))
    (local.set $p (i32.add (global.get $ops) (i32.load8_u (local.get $p))))
    (loop $next
      (i32.store (i32.shl (local.get $i) (i32.const 2)) (local.get $p))
      (local.set $p (i32.add (local.get $p) (call $long (i32.add (i32.const ${TEXT + 12}) (i32.shl (local.get $i) (i32.const 2))))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${STREAMS}))))
    (global.set $symbol (i32.load (i32.const ${4 * STREAM.OP})))
    ;; What is before the functions.
    (local.set $rest (i32.load (i32.const ${4 * STREAM.REST})))
    (local.set $size (call $long (i32.const ${TEXT + 4})))
    (memory.copy (local.get $out) (local.get $rest) (local.get $size))
    (i32.store (i32.const ${4 * STREAM.REST}) (i32.add (local.get $rest) (local.get $size)))
    (global.set $at (i32.add (local.get $out) (local.get $size)))
    (local.set $end (i32.add (local.get $out) (call $long (i32.const ${TEXT + 8}))))
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
    (memory.copy (local.get $end) (i32.load (i32.const ${4 * STREAM.REST}))
      (i32.sub (i32.add (local.get $rest) (call $long (i32.const ${TEXT + 12 + 4 * STREAM.REST}))) (i32.load (i32.const ${4 * STREAM.REST}))))
    (call $long (i32.const ${TEXT}))))`

/** @returns {string} it, in base64 */
export function unpacker() {
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
