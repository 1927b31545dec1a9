// Huffman's code, of which a symbol takes the fewer bits the more often it is there; a code for each stream, because their symbols have
// nothing in common.

/** A code has at most so many bits. */
export const LONGEST_CODE = 15
/** So many symbols a code has at most. */
export const SYMBOLS = 256
/** So many bits are in a byte: a byte below 64 is one character, and each is there as often as the others, so gzip leaves it alone. */
export const BITS = 6

/**
 * @param {[stream: number, symbol: number][]} symbols
 * @param {number} streams - how many there are
 * @returns {{ lengths: number[], bits: number[] }} of each stream, how many bits each symbol takes, from which the code follows
 * (canonical: shorter ones first, and of the same length in the order of the symbols); and all symbols
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

/** How long the code of each symbol is. */
function lengthsOf(/** @type {number[]} */ counts) {
  const lengths = Array(SYMBOLS).fill(0)
  let nodes = [...counts.entries()].filter(([, count]) => count > 0).map(([symbol, count]) => ({ count, symbols: [symbol] }))
  // One alone has nothing that it could be told from, and still takes a bit.
  if (nodes.length === 1) lengths[nodes[0].symbols[0]] = 1
  while (nodes.length > 1) {
    nodes.sort((a, b) => a.count - b.count)
    const [a, b, ...others] = nodes
    const symbols = [...a.symbols, ...b.symbols]
    for (const symbol of symbols) lengths[symbol]++
    nodes = [...others, { count: a.count + b.count, symbols }]
  }
  // Rare ones that would take more are taken for less rare.
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
