// Huffman's code: the more often a symbol occurs, the fewer bits it takes. Each stream has its own code, because the
// symbols of the streams have nothing in common.

/** The most bits of a code. */
export const LONGEST_CODE = 15
/** The most symbols of a code. */
export const SYMBOLS = 256
/** From this symbol on, a symbol counts as often as the symbols up to this distance do on average. */
const SMOOTH_FROM = 16
const SMOOTH_WITHIN = 8
/**
 * The number of bits in a byte: a byte below 64 is one character. Each of them is equally frequent, so gzip cannot
 * shorten them further.
 */
export const BITS = 6

/**
 * @param {[stream: number, symbol: number][]} symbols
 * @param {number} streams - the number of streams
 * @param {number[]} uneven - the streams whose symbols are no places, so that neighbouring symbols are not alike
 * @returns {{ lengths: number[], bits: number[] }} for each stream, the number of bits of each symbol, from which the
 * code follows (canonical: shorter ones first, and those of the same length in the order of the symbols); and all
 * symbols
 */
export function written(symbols, streams, uneven) {
  const counts = Array.from({ length: streams }, () => Array(SYMBOLS).fill(0))
  for (const [stream, symbol] of symbols) counts[stream][symbol]++
  const lengths = counts.map((of, stream) => lengthsOf(uneven.includes(stream) ? of : smooth(of)))
  const codes = lengths.map(codesOf)
  const bits = []
  let free = 0
  for (const [stream, symbol] of symbols) {
    for (let left = lengths[stream][symbol]; left-- > 0; ) {
      if (free === 0) {
        bits.push(0)
        free = BITS
      }
      bits[bits.length - 1] |= ((codes[stream][symbol] >> left) & 1) << --free
    }
  }
  return { lengths: lengths.flat(), bits }
}

/** Counts that change slowly from symbol to symbol: gzip then shortens the lengths of the codes by more than the codes grow. */
function smooth(/** @type {number[]} */ counts) {
  const end = counts.findLastIndex((count) => count > 0) + 1
  return counts.map((count, symbol) => {
    if (symbol < SMOOTH_FROM || symbol >= end) return count
    const around = counts.slice(Math.max(SMOOTH_FROM, symbol - SMOOTH_WITHIN), Math.min(end, symbol + SMOOTH_WITHIN + 1))
    // A symbol that does not occur may still have a code.
    return Math.max(around.reduce((sum, one) => sum + one, 0) / around.length, 1 / 3)
  })
}

/** The length of the code of each symbol. */
function lengthsOf(/** @type {number[]} */ counts) {
  const lengths = Array(SYMBOLS).fill(0)
  let nodes = [...counts.entries()].filter(([, count]) => count > 0).map(([symbol, count]) => ({ count, symbols: [symbol] }))
  // A single symbol needs no distinction, and still takes a bit.
  if (nodes.length === 1) lengths[nodes[0].symbols[0]] = 1
  while (nodes.length > 1) {
    nodes.sort((a, b) => a.count - b.count)
    const [a, b, ...others] = nodes
    const symbols = [...a.symbols, ...b.symbols]
    for (const symbol of symbols) lengths[symbol]++
    nodes = [...others, { count: a.count + b.count, symbols }]
  }
  // Rare symbols that would take more bits are counted as more frequent.
  return Math.max(...lengths) > LONGEST_CODE ? lengthsOf(counts.map((count) => (count > 0 ? count / 2 + 1 : 0))) : lengths
}

function codesOf(/** @type {number[]} */ lengths) {
  const codes = Array(SYMBOLS).fill(0)
  let code = 0
  for (let length = 1; length <= LONGEST_CODE; length++, code <<= 1) {
    for (const [symbol, of] of lengths.entries()) if (of === length) codes[symbol] = code++
  }
  return codes
}
