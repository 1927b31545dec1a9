// Proxies that keep a stream open after its page has gone, and swallow what is written to it: after a hundred reloads
// the user can still connect.
import { createServer, request, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createApp, eventHandler, proxyRequest, toNodeListener } from 'h3'
import httpProxy from 'http-proxy'
import { expect, test } from '../fixtures.ts'

/** The most streams of one user. */
const MOST = 100

const proxies: Record<string, (target: string) => Server> = {
  // webpack-dev-server and Create React App use it.
  'http-proxy 1.18': (target) => {
    const proxy = httpProxy.createProxyServer({ target })
    proxy.on('error', (_, __, answer) => answer.destroy())
    return createServer((asked, answer) => proxy.web(asked, answer))
  },
  // Nuxt's `routeRules` use it.
  'h3 1 proxyRequest': (target) => {
    const app = createApp()
    app.use(eventHandler((event) => proxyRequest(event, target + event.path)))
    return createServer(toNodeListener(app))
  },
}

interface Opened {
  status: number
  /** All text received so far. */
  text: () => string
  hasEnded: () => boolean
  leave: () => void
}

/** Opens a stream. Resolves with its first block, or with the refusal. */
function open(url: string, user: string, channel = ''): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/api/events?user=${user}&channels=${channel}`, { agent: false, headers: { accept: 'text/event-stream' } })
    asked.once('error', reject)
    asked.once('response', (answer: IncomingMessage) => {
      let [text, ended] = ['', false]
      const status = answer.statusCode!
      const opened = { status, text: () => text, hasEnded: () => ended, leave: () => asked.destroy() }
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        if (text.includes('\n\n')) resolve(opened)
      })
      answer.on('error', () => {})
      answer.once('close', () => {
        ended = true
        resolve(opened)
      })
      asked.on('error', () => {})
    })
    asked.end()
  })
}

for (const [name, make] of Object.entries(proxies)) {
  test(`${name}: after a hundred reloads a user gets in, streams that nobody reads end, and nobody else notices`, async ({ hub }) => {
    test.setTimeout(90_000)
    const proxy = make(hub.server.url)
    await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening))
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    try {
      const canary = await open(hub.server.url, 'bob', 'news:1')
      for (let reload = 0; reload < MOST; reload++) {
        const page = await open(url, 'ana')
        expect(page.status).toBe(200)
        page.leave()
      }
      // This is why the test exists: if a proxy told the hub that the pages have gone, there would be nothing to clean
      // up.
      await expect.poll(() => hub.streams).toBe(MOST + 1)
      const ana = await open(url, 'ana', 'news:1')
      expect(ana.status).toBe(200)
      expect(ana.text()).toContain('event: connected')
      // Streams that do not answer the challenge end, as many as are challenged at once.
      await expect.poll(() => hub.streams).toBeLessThan(MOST + 1)
      await hub.publish({ channel: 'news:1', payload: 'goes on' })
      for (const stream of [canary, ana]) await expect.poll(() => stream.text()).toContain('"goes on"')
      expect(canary.hasEnded()).toBe(false)
      for (const stream of [canary, ana]) stream.leave()
    } finally {
      proxy.closeAllConnections()
      proxy.close()
    }
  })
}
