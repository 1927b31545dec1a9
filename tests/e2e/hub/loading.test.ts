// The requirements for the package to load, and what happens where one is missing.
import type { Page } from '@playwright/test'
import { expect, test } from '../fixtures.ts'
import { hear, heard, toldTo } from '../support/ask.ts'

test('`import` does nothing: no request, no storage, no Wasm, no stream, no global', async ({ front, page }) => {
  await page.addInitScript(() => {
    Object.assign(globalThis, { made: [] })
    const made = (what: string) => () => void (globalThis as unknown as { made: string[] }).made.push(what)
    const watch = { construct: (target: never, values: never[]): object => (made('construct')(), Reflect.construct(target, values)) }
    globalThis.EventSource = new Proxy(EventSource, watch)
    const { compile } = WebAssembly
    WebAssembly.compile = ((...values: Parameters<typeof compile>) => (made('compile')(), compile(...values))) as never
  })
  await page.goto(`${front.url}/bare.html`)
  const before = front.requests.length
  const found = await page.evaluate(async () => {
    const globals = Object.keys(globalThis)
    // The path is the front's.
    const path = '/tidings/index.js'
    await import(path)
    return {
      globals: Object.keys(globalThis).filter((name) => !globals.includes(name)),
      storage: localStorage.length,
      made: (globalThis as unknown as { made: string[] }).made,
    }
  })
  expect(found).toEqual({ globals: [], storage: 0, made: [] })
  expect(front.requests.slice(before).map(({ path }) => path)).toEqual(['/tidings/index.js'])
})

test('a policy without `wasm-unsafe-eval` is told, and the page lives', async ({ front, open }) => {
  front.headers = { 'Content-Security-Policy': "default-src 'self'; script-src 'self'" }
  const page = await open()
  const refusal = await page.evaluate(() => globalThis.hear('news').ready.catch(({ code }: { code: string }) => code))
  expect(refusal).toBe('wasmBlocked')
  const { errors, states } = await toldTo(page)
  expect(errors.map(({ code }) => code)).toEqual(['wasmBlocked'])
  expect(states.map(({ state }) => state)).toEqual(['connecting', 'closed'])
  // Everything else still works: the ids, our own requests, the page itself.
  const headers = await page.evaluate(() => tidings.headers())
  expect(headers).toEqual({ 'X-Device-Id': expect.any(String), 'X-Session-Id': expect.any(String) })
  expect(await page.evaluate(() => localStorage.getItem('tidings.deviceId'))).toBe(headers['X-Device-Id'])
  await page.evaluate(() => tidings.fetch('/api/anything'))
  expect(front.seen('/api/anything')[0]?.headers['x-session-id']).toBe(headers['X-Session-Id'])
  expect(front.seen('/api/events')).toEqual([])
})

test('a strict policy with `wasm-unsafe-eval` is enough', async ({ hub, front, open }) => {
  front.headers = { 'Content-Security-Policy': "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'" }
  const page = await open()
  await hear(page, 'news')
  await hub.publish({ channel: 'news', payload: 1 })
  await expect.poll(() => heard(page, 'news')).toEqual([1])
})

test('where storage is refused, the device id lives as long as the page', async ({ hub, front, open }) => {
  // A sandboxed page has an opaque origin, and no storage.
  front.headers = { 'Content-Security-Policy': 'sandbox allow-scripts', 'Access-Control-Allow-Origin': '*' }
  const page = await open()
  const refused = await page.evaluate(() => {
    try {
      return void localStorage.length
    } catch (error) {
      return (error as Error).name
    }
  })
  expect(refused).toBe('SecurityError')
  const deviceId = await page.evaluate(() => tidings.deviceId)
  expect(deviceId).toMatch(/^[!-~]{16,128}$/)
  await hear(page, 'news')
  await hub.publish({ channel: 'news', payload: 1 })
  await expect.poll(() => heard(page, 'news')).toEqual([1])
  expect(await page.evaluate(() => tidings.deviceId)).toBe(deviceId)
  expect(front.seen('/api/events')[0]?.query.get('deviceId')).toBe(deviceId)
})

/** Makes a client and its handlers on a page without one. */
async function begin(page: Page, url: string): Promise<{ state: string; deviceId: string; sessionId: string }> {
  await page.goto(`${url}/bare.html`)
  return page.evaluate(async () => {
    const path = '/tidings/index.js'
    const { Tidings } = (await import(path)) as typeof import('/tidings/index.js')
    globalThis.told = { states: [], gaps: [], errors: [], revoked: [], seen: [], heard: { gone: [], kept: [] } }
    globalThis.tidings = new Tidings({
      url: '/api/events?user=ana',
      reconnect: { baseMs: 20, capMs: 200 },
      onState: (state, { attempt, nextRetryMs }) => told.states.push({ state, attempt, nextRetryMs }),
      onError: ({ code, status, willRetry, channel }) => told.errors.push({ code, status, willRetry, channel }),
    })
    const gone = tidings.subscribe('news', ({ payload }) => told.heard.gone?.push(payload))
    tidings.subscribe('news', ({ payload }) => told.heard.kept?.push(payload))
    gone()
    await Promise.resolve()
    return { state: tidings.state, deviceId: tidings.deviceId, sessionId: tidings.sessionId }
  })
}

test('calls made before the engine has loaded take effect', async ({ hub, front, page }) => {
  const release = front.hold('/tidings/engine.js')
  const before = await begin(page, front.url)
  expect(before.state).toBe('connecting')
  await expect.poll(() => front.seen('/tidings/engine.js').length).toBe(1)
  expect(front.seen('/api/events')).toEqual([])
  release()

  await expect.poll(() => page.evaluate(() => tidings.state)).toBe('open')
  await hub.publish({ channel: 'news', payload: 1 })
  await expect.poll(() => heard(page, 'kept')).toEqual([1])
  expect(await heard(page, 'gone')).toEqual([])
  const [stream] = front.seen('/api/events')
  const { nonce, protocol, ...query } = Object.fromEntries(stream?.query ?? [])
  expect(nonce).toMatch(/^[!-~]+$/)
  expect(protocol).toBe('2')
  expect(query).toEqual({ user: 'ana', channels: 'news', deviceId: before.deviceId })
  expect(await page.evaluate(() => tidings.sessionId)).toBe(before.sessionId)
})

test('an engine whose script does not come is told, and asked for again until it comes', async ({ hub, front, page }) => {
  let lost = 2
  await page.route('**/tidings/engine.js*', (route) => (lost-- > 0 ? route.abort() : route.continue()))
  await begin(page, front.url)
  await expect.poll(() => page.evaluate(() => tidings.state)).toBe('open')
  const { errors, states } = await toldTo(page)
  expect(errors.map(({ code, willRetry }) => [code, willRetry])).toEqual([['chunkFailed', true], ['chunkFailed', true]])
  // There is no further failure once the engine is there.
  expect(states.map(({ state }) => state)).toEqual(['connecting', 'waiting', 'connecting', 'waiting', 'connecting', 'connecting', 'open'])
  await hub.publish({ channel: 'news', payload: 1 })
  await expect.poll(() => heard(page, 'kept')).toEqual([1])
})

test('`preload()` loads the engine, and connects nobody', async ({ front, open }) => {
  const page = await open()
  await page.evaluate(() => tidings.preload())
  expect(front.seen('/tidings/engine.js')).toHaveLength(1)
  expect(front.seen('/api/events')).toEqual([])
  await hear(page, 'news')
  expect(front.seen('/tidings/engine.js')).toHaveLength(1)
})
