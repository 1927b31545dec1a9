// Huffman's code: the more often a symbol occurs, the fewer bits it takes. Each stream has its own code, because the
// symbols of the streams have nothing in common.

/** The most bits of a code. */
export const LONGEST_CODE = 15
/** The most symbols of a code. */
export const SYMBOLS = 256
/**
 * The number of bits in a byte: a byte below 64 is one character. Each of them is equally frequent, so gzip cannot
 * shorten them further.
 */
export const BITS = 6

/**
 * @param {[stream: number, symbol: number][]} symbols
 * @param {number} streams - the number of streams
 * @returns {{ lengths: number[], bits: number[] }} for each stream, the number of bits of each symbol, from which the
 * code follows (canonical: shorter ones first, and those of the same length in the order of the symbols); and all
 * symbols
 */
export function written(symbols, streams) {
  const counts = Array.from({ length: streams }, () => Array(SYMBOLS).fill(0))
  for (const [stream, symbol] of symbols) counts[stream][symbol]++
  const lengths = counts.map(lengthsOf)
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
  return Math.max(...lengths) > LONGEST_CODE ? lengthsOf(counts.map((count) => Math.ceil(count / 2))) : lengths
}

function codesOf(/** @type {number[]} */ lengths) {
  const codes = Array(SYMBOLS).fill(0)
  let code = 0
  for (let length = 1; length <= LONGEST_CODE; length++, code <<= 1) {
    for (const [symbol, of] of lengths.entries()) if (of === length) codes[symbol] = code++
  }
  return codes
}
