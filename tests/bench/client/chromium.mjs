// A page in Chromium, and the CPU time of its main thread by the kernel's count: on a busy machine that thread waits
// longer, but uses no more.
import { readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--disable-background-networking']

/** Starts Chromium. `fresh` returns a page with a process of its own, after the page has set the named global. */
export async function start(executablePath) {
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS })
  const session = await browser.newBrowserCDPSession()
  const renderers = async () => {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo')
    return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id)
  }
  return {
    version: browser.version(),
    async fresh(url, global = 'readers') {
      const context = await browser.newContext()
      const page = await context.newPage()
      page.on('console', (message) => console.error(`page: ${message.text()}`))
      page.on('pageerror', (error) => console.error(`page: ${error}`))
      await page.goto(url)
      await page.waitForFunction((global) => globalThis[global], global)
      return { page, close: () => context.close() }
    },
    /** CPU time of the main threads of all pages, in microseconds; only one page works at a time. */
    async mainThreads() {
      let us = 0
      for (const pid of await renderers()) us += mainThread(pid)
      return us
    },
    close: () => browser.close(),
  }
}

/** On Linux the main thread has the number of its process. The first figure is nanoseconds on a CPU. */
function mainThread(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000
  } catch {
    // The process has ended since it was listed, and did no work for this measurement.
    return 0
  }
}
