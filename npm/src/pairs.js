// Byte pair encoding: two bytes that often follow each other become one symbol.

/** The approximate number of bits that a merged pair takes in the dictionary. */
const PAIR_BITS = 14
/** A pair that occurs less often than this saves nothing. */
const FEWEST = 3
/** The most symbols; the most frequent ones have the shortest text. */
const SYMBOLS = 254
/** Symbols below this number are bytes. */
const FIRST_PAIR = 256
const STRIDE = 2 * FIRST_PAIR

/**
 * @param {number[]} bytes
 * @returns the bytes as symbols; and for each symbol, if it stands for two others, both of them, the second counted
 * from 1; else its byte, and 0
 */
export function merged(bytes) {
  /** @type {[number, number][]} */
  const pairs = []
  let text = bytes
  const literals = new Set(bytes).size
  if (literals > SYMBOLS) throw new Error(`of instructions there are ${literals} different bytes, and a symbol is one of ${SYMBOLS}`)
  while (literals + pairs.length < SYMBOLS) {
    const best = bestPair(text)
    if (!best) break
    pairs.push(best)
    text = joined(text, best, FIRST_PAIR + pairs.length - 1)
  }
  const counts = new Map(bytes.map((byte) => [byte, 0]))
  for (const pair of pairs.keys()) counts.set(FIRST_PAIR + pair, 0)
  for (const symbol of text) counts.set(symbol, counts.get(symbol) + 1)
  const ranked = [...counts].sort(([, a], [, b]) => b - a).map(([symbol]) => symbol)
  const rank = new Map(ranked.map((symbol, i) => [symbol, i]))
  const halves = ranked.map((symbol) => {
    if (symbol < FIRST_PAIR) return [symbol, 0]
    const [left, right] = pairs[symbol - FIRST_PAIR]
    return [rank.get(left), rank.get(right) + 1]
  })
  return { text: text.map((symbol) => rank.get(symbol)), pairs: halves }
}

/**
 * The pair that shortens the text most when it becomes one symbol: not the most frequent one, but one more frequent
 * than chance would make it.
 */
function bestPair(/** @type {number[]} */ text) {
  const counts = new Uint32Array(STRIDE)
  const together = new Uint32Array(STRIDE * STRIDE)
  for (let i = 0; i < text.length; i++) {
    counts[text[i]]++
    if (i > 0) together[text[i - 1] * STRIDE + text[i]]++
  }
  const information = (count) => (count > 0 ? count * Math.log2(count) : 0)
  let most = PAIR_BITS
  let best
  for (let pair = 0; pair < together.length; pair++) {
    const both = together[pair]
    if (both < FEWEST) continue
    const [left, right] = [Math.floor(pair / STRIDE), pair % STRIDE]
    // A pair of equal symbols cannot be counted here: three in a row contain only one pair.
    if (left === right) continue
    const [l, r] = [counts[left], counts[right]]
    const before = information(text.length) - information(l) - information(r)
    const after = information(text.length - both) - information(l - both) - information(r - both) - information(both)
    if (before - after > most) [most, best] = [before - after, [left, right]]
  }
  return best
}

function joined(/** @type {number[]} */ text, [left, right], symbol) {
  const joined = []
  for (let i = 0; i < text.length; i++) {
    const isPair = text[i] === left && text[i + 1] === right
    joined.push(isPair ? symbol : text[i])
    if (isPair) i++
  }
  return joined
}
