// A page in Chromium, and the CPU time of its main thread as the kernel counts it: a busy machine makes that thread wait, not
// use more.
import { readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage', '--disable-background-networking']

/** Starts it; `fresh` gives pages, each with a process of its own, when they have set the global that is named. */
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
    /** CPU time of the main threads of all pages, of which one at a time has work, in microseconds. */
    async mainThreads() {
      let us = 0
      for (const pid of await renderers()) us += mainThread(pid)
      return us
    },
    close: () => browser.close(),
  }
}

/** Linux: of a process's threads, the main one has the process's number. The first figure is nanoseconds on a CPU. */
function mainThread(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000
  } catch {
    // It ended since it was listed, and did nothing for us.
    return 0
  }
}
