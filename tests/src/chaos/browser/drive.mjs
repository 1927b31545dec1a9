// Drives a Chromium with one page that uses the built npm package: `node drive.mjs BASE PACKAGE CHROME`. Commands are
// lines of JSON on standard input, whose end closes the browser; the page's reports are lines of JSON on standard
// output. ../browser.rs is the other end.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

const [base, packageFile, executablePath] = process.argv.slice(2)
const files = {
  '/chaos/': { contentType: 'text/html', body: '<!doctype html><script type="module" src="/chaos/page.js"></script>' },
  '/chaos/page.js': { contentType: 'text/javascript', body: readFileSync(join(import.meta.dirname, 'page.js')) },
  '/chaos/tidings.js': { contentType: 'text/javascript', body: readFileSync(packageFile) },
}
const tell = (told) => process.stdout.write(`${JSON.stringify(told)}\n`)

// Arguments for Debian's Chromium: no sandbox, which it lacks for root, and no network use of its own.
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const browser = await chromium.launch({ executablePath, args })
const page = await browser.newPage()
page.on('pageerror', (error) => tell({ thrown: { what: String(error) } }))
await page.exposeFunction('tell', (batch) => batch.forEach(tell))

// The page has the hub's origin, as an application has, but its own files bypass the failing network.
const isOurs = (url) => url.pathname in files
await page.route(isOurs, (route) => route.fulfill(files[new URL(route.request().url()).pathname]))
await page.goto(`${base}/chaos/`)
await page.waitForFunction(() => globalThis.obey)
await page.unroute(isOurs)

for await (const line of createInterface(process.stdin)) {
  const command = JSON.parse(line)
  const sessionId = await page.evaluate((command) => obey(command), command)
  if (command.start) tell({ ready: { sessionId } })
}
await browser.close()
