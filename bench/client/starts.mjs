// How long the first `connect()` takes: in pages that see the client for the first time, and in some that have loaded it before.

/** A browser keeps what it made of a script from the second load on, and uses it from the third. */
const LOADS_BEFORE = 2

/** So many starts of each kind: lists of what each part of it took, in milliseconds. */
export async function starts(browser, url, times) {
  const kinds = { 'in a new page': 0, 'loaded before': LOADS_BEFORE }
  const figures = new Map(Object.keys(kinds).map((kind) => [kind, []]))
  for (let time = 0; time < times; time++) {
    for (const [kind, loads] of Object.entries(kinds)) {
      const { page, close } = await browser.fresh(`${url}/start`, 'start')
      for (let load = 0; load < loads; load++) {
        await page.evaluate(() => start())
        await page.goto(`${url}/start`)
        await page.waitForFunction(() => globalThis.start)
      }
      figures.get(kind).push(await page.evaluate(() => start()))
      await close()
    }
  }
  return figures
}
