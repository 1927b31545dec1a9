// Measures each reader in turn, round by round, and prints a table of medians; then measures how long the client takes
// to start. `node run.mjs CHROMIUM [--rounds N] [--events N] [--starts N]`.
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { start } from './chromium.mjs'
import { serve } from './server.mjs'
import { starts } from './starts.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '7' }, events: { type: 'string', default: '50000' }, starts: { type: 'string', default: '30' } },
})
const rounds = Number(values.rounds)
const events = Number(values.events)

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
const load = () => loadavg()[0].toFixed(1)

const server = await serve(events)
const browser = await start(positionals[0])
const figures = new Map()
console.log(`Chromium ${browser.version}; ${events} events of 200 B a round, ${rounds} rounds; load ${load()}`)
for (let round = 0; round < rounds; round++) {
  const names = figures.size > 0 ? [...figures.keys()] : await readersOf()
  for (const name of names) {
    const { page, close } = await browser.fresh(server.url)
    // One run warms up: it compiles the code and fills the caches.
    await page.evaluate(([name, events]) => measure(name, events), [name, events])
    const before = await browser.mainThreads()
    const { ms, sum } = await page.evaluate(([name, events]) => measure(name, events), [name, events])
    const us = (await browser.mainThreads()) - before
    await close()
    if (sum !== (events * (events - 1)) / 2) throw new Error(`${name} did not hear what was sent`)
    if (!figures.has(name)) figures.set(name, [])
    figures.get(name).push({ us: us / events, rate: (events / ms) * 1_000 })
  }
}
const started = await starts(browser, server.url, Number(values.starts))
await browser.close()
server.close()

console.log(`\n${''.padEnd(28)} ${'µs of main thread'.padStart(18)} ${'(least … most)'.padStart(16)} ${'events/s'.padStart(10)}`)
const cost = (name) => median(figures.get(name).map(({ us }) => us))
for (const [name, runs] of figures) {
  const all = runs.map(({ us }) => us)
  const range = `${Math.min(...all).toFixed(2)} … ${Math.max(...all).toFixed(2)}`
  const rate = Math.round(median(runs.map(({ rate }) => rate)) / 1_000)
  console.log(`${name.padEnd(28)} ${cost(name).toFixed(2).padStart(18)} ${range.padStart(16)} ${`${rate}k`.padStart(10)}`)
}
console.log()
for (const [ours, theirs] of [
  ['Tidings by EventSource', 'bare EventSource'],
  ['Tidings by fetch', 'fetch + eventsource-parser'],
  ['Tidings by fetch', 'bare EventSource'],
]) {
  // Figures of the same round are compared, so that a slow phase of the machine affects both.
  const ratios = figures.get(ours).map(({ us }, round) => us / figures.get(theirs)[round].us)
  console.log(`${ours} takes ${median(ratios).toFixed(2)} times the main thread of ${theirs}`)
}

/** The targets for a start, in milliseconds. */
const AIMS = { 'in a new page': { longest: 8, afterChunk: 15 }, 'in a new page, CPU 4 × slower': { longest: 50 } }
const column = (text) => String(text).padStart(16)
console.log(`\n${'to `open`, medians in ms'.padEnd(30)}${['connect() → open', 'chunk → open', 'longest task'].map(column).join('')}`)
for (const [name, runs] of started) {
  const of = (part) => median(runs.map((run) => run[part] ?? NaN))
  const shown = ['open', 'afterChunk', 'longest'].map((part) => {
    const aim = AIMS[name]?.[part]
    return column(Number.isNaN(of(part)) ? '' : `${of(part).toFixed(1)}${aim === undefined ? '' : ` (aim ${aim})`}`)
  })
  console.log(name.padEnd(30) + shown.join(''))
}
console.log(`load at the end ${load()}`)

async function readersOf() {
  const { page, close } = await browser.fresh(server.url)
  const names = await page.evaluate(() => readers)
  await close()
  return names
}
