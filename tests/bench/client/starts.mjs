// How long a start takes from the first `connect()` to `open`: in pages that load the client for the first time, in
// pages that have loaded it before, and with a CPU slowed down to that of a phone.

/** A browser keeps a script's compiled code from the second load on, and uses it from the third. */
const LOADS_BEFORE = 2

/** The cases: the kind of start, how often the page was loaded before, and by how much the CPU is slowed. */
const CASES = [
  { name: 'in a new page', kind: 'tidings', loads: 0, rate: 1 },
  { name: 'in a new page, CPU 4 × slower', kind: 'tidings', loads: 0, rate: 4 },
  { name: 'loaded before', kind: 'tidings', loads: LOADS_BEFORE, rate: 1 },
  { name: 'after preload()', kind: 'preloaded', loads: 0, rate: 1 },
  { name: 'EventSource alone', kind: 'EventSource', loads: 0, rate: 1 },
  { name: 'EventSource, CPU 4 × slower', kind: 'EventSource', loads: 0, rate: 4 },
]

/** Runs each case this many times. Returns lists of figures, in milliseconds. */
export async function starts(browser, url, times) {
  const figures = new Map(CASES.map(({ name }) => [name, []]))
  for (let time = 0; time < times; time++) {
    for (const { name, kind, loads, rate } of CASES) {
      const { page, close } = await browser.fresh(`${url}/start`, 'start')
      for (let load = 0; load < loads; load++) {
        await page.evaluate((kind) => start(kind), kind)
        await page.goto(`${url}/start`)
        await page.waitForFunction(() => globalThis.start)
      }
      const session = await page.context().newCDPSession(page)
      await session.send('Emulation.setCPUThrottlingRate', { rate })
      figures.get(name).push(await page.evaluate((kind) => start(kind), kind))
      await close()
    }
  }
  return figures
}
