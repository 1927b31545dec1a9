// How long it takes from the first `connect()` to `open`: in pages that see the client for the first time, in some that have loaded
// it before, and with a CPU that is slowed down as a phone's.

/** A browser keeps what it made of a script from the second load on, and uses it from the third. */
const LOADS_BEFORE = 2

/** What is measured: its kind, how often the page was loaded before, and by how much the CPU is slowed. */
const CASES = [
  { name: 'in a new page', kind: 'tidings', loads: 0, rate: 1 },
  { name: 'in a new page, CPU 4 × slower', kind: 'tidings', loads: 0, rate: 4 },
  { name: 'loaded before', kind: 'tidings', loads: LOADS_BEFORE, rate: 1 },
  { name: 'after preload()', kind: 'preloaded', loads: 0, rate: 1 },
  { name: 'EventSource alone', kind: 'EventSource', loads: 0, rate: 1 },
  { name: 'EventSource, CPU 4 × slower', kind: 'EventSource', loads: 0, rate: 4 },
]

/** So many starts of each: lists of what was measured, in milliseconds. */
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
