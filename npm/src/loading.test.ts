import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { browser, settle, stubBrowser } from '../test/browser.ts'
import type { Tidings, TidingsOptions } from './index.ts'

const blockedByCsp = new WebAssembly.CompileError(
  "WebAssembly.compile(): Compiling or instantiating WebAssembly module violates the following Content Security policy directive because neither 'wasm-eval' nor 'unsafe-eval' is an allowed source of script",
)

let clients: Tidings[] = []

/** Waits long enough for a busy machine to compile. */
const eventually = (fact: () => void): Promise<void> => vi.waitFor(fact, 10_000)

/** A client of a freshly imported package, so that no engine is loaded yet. */
async function fresh(options: TidingsOptions = {}): Promise<Tidings> {
  vi.resetModules()
  const { Tidings } = await import('./index.ts')
  const tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource', ...options })
  clients.push(tidings)
  return tidings
}

let lost = false

/** The engine's script cannot be loaded, until it is found. How a browser behaves is tested in a browser. */
function loseChunk(): void {
  lost = true
  vi.doMock('./chunk.ts', async () => {
    const { failure } = await import('./failures.ts')
    return { loadChunk: async () => (lost ? Promise.reject(failure('chunkFailed')) : import('./engine.ts')) }
  })
}

beforeEach(() => void stubBrowser())
afterEach(() => {
  vi.restoreAllMocks()
  vi.doUnmock('./engine.ts')
  vi.doUnmock('./chunk.ts')
  for (const tidings of clients.splice(0)) tidings.reset()
})

test('importing needs nothing of a browser, not even what jsdom lacks', async () => {
  for (const name of ['TextDecoder', 'TextEncoder', 'EventSource', 'localStorage']) vi.stubGlobal(name, undefined)
  expect((await fresh()).state).toBe('idle')
  // Using the client does.
  vi.unstubAllGlobals()
})

test.each(['TextEncoder', 'TextDecoder', 'MessageChannel', 'WebAssembly'])('without %s it says so, and throws nothing', async (name) => {
  const onError = vi.fn()
  const tidings = await fresh({ onError })
  vi.stubGlobal(name, undefined)
  tidings.subscribe('a', () => {})
  tidings.headers()
  await eventually(() => expect(onError).toHaveBeenCalledTimes(1))
  vi.unstubAllGlobals()
  expect(onError.mock.calls[0]).toMatchObject([{ code: 'unsupported', detail: `there is no ${name} here` }])
  expect(onError.mock.calls[0]?.[0].remedy).not.toMatch(/script-src|CSP/)
  expect(tidings.state).toBe('closed')
})

test('the first handler loads the engine, and the state says `connecting` meanwhile', async () => {
  const compiled = vi.spyOn(WebAssembly, 'compile')
  const states: string[] = []
  const tidings = await fresh({ onState: (state) => states.push(state) })
  tidings.subscribe('a', () => {})
  expect(states).toEqual([])
  await Promise.resolve()
  expect([tidings.state, states]).toEqual(['connecting', ['connecting']])
  expect(compiled).not.toHaveBeenCalled()
  await eventually(() => expect(browser.streams).toHaveLength(1))
  expect(compiled).toHaveBeenCalledTimes(1)
  // The engine reports the same state, which is passed on once.
  expect(states).toEqual(['connecting'])
})

test.each<[string, (tidings: Tidings) => unknown]>([
  ['`reset()`', (tidings) => tidings.reset()],
  ['`disconnect()`', (tidings) => tidings.disconnect()],
  ['`headers()`', (tidings) => tidings.headers()],
  ['`fetch()`', (tidings) => tidings.fetch('http://app.test/api/timers')],
  ['`deviceId`', (tidings) => tidings.deviceId],
  ['`userId`', (tidings) => tidings.userId],
  ['a handler that is stopped at once', (tidings) => tidings.subscribe('a', () => {})()],
  ['a handler after `disconnect()`', (tidings) => (tidings.disconnect(), tidings.subscribe('a', () => {}))],
])('%s of a client that nobody used loads nothing', async (_, use) => {
  const loaded = vi.fn()
  vi.doMock('./engine.ts', async (original) => (loaded(), await original()))
  const tidings = await fresh()
  await use(tidings)
  for (let turn = 0; turn < 50; turn++) await new Promise((done) => setImmediate(done))
  expect(loaded).not.toHaveBeenCalled()
})

test('`preload()` loads the engine and connects nobody', async () => {
  const compiled = vi.spyOn(WebAssembly, 'compile')
  const tidings = await fresh()
  await tidings.preload()
  expect(compiled).toHaveBeenCalledTimes(1)
  expect([tidings.state, browser.streams.length]).toEqual(['idle', 0])
  tidings.connect()
  await eventually(() => expect(browser.streams).toHaveLength(1))
  expect(compiled).toHaveBeenCalledTimes(1)
})

test('the Wasm is compiled once for all clients, each of which has an instance of its own', async () => {
  const compiled = vi.spyOn(WebAssembly, 'compile')
  const instantiated = vi.spyOn(WebAssembly, 'instantiate')
  const tidings = await fresh()
  const { Tidings } = await import('./index.ts')
  const other = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource' })
  clients.push(other)
  tidings.connect()
  other.connect()
  await eventually(() => expect(browser.streams).toHaveLength(2))
  expect(compiled).toHaveBeenCalledTimes(1)
  expect(instantiated).toHaveBeenCalledTimes(2)
})

test('calls made before the engine is loaded take effect together', async () => {
  const states: string[] = []
  const tidings = await fresh({ onState: (state) => states.push(state) })
  const gone = tidings.subscribe('gone', () => {})
  tidings.connect()
  tidings.disconnect()
  tidings.subscribe('a', () => {})
  expect(tidings.state).toBe('closed')
  tidings.connect()
  gone()
  await eventually(() => expect(browser.streams).toHaveLength(1))
  await settle()
  expect(states).toEqual(['connecting', 'closed', 'connecting'])
  expect(browser.streams).toHaveLength(1)
  expect(browser.stream.query.channels).toBe('a')
})

test('ids given out before the engine is there stay the same', async () => {
  const tidings = await fresh()
  const before = tidings.headers()
  expect(browser.storage.get('tidings.deviceId')).toBe(before['X-Device-Id'])
  tidings.connect()
  await eventually(() => expect(browser.streams).toHaveLength(1))
  expect(tidings.headers()).toEqual(before)
  expect(browser.stream.query).toMatchObject({ deviceId: before['X-Device-Id'], sessionId: before['X-Session-Id'] })
})

test('ids stay the same also where storage is refused', async () => {
  const refuse = (): never => {
    throw new DOMException('The operation is insecure.', 'SecurityError')
  }
  vi.stubGlobal('localStorage', { getItem: refuse, setItem: refuse })
  const tidings = await fresh()
  const before = tidings.headers()
  tidings.connect()
  await eventually(() => expect(browser.streams).toHaveLength(1))
  expect(tidings.headers()).toEqual(before)
})

test('a reset before the engine is there makes another session of the same device', async () => {
  const tidings = await fresh()
  const { deviceId, sessionId } = tidings
  tidings.connect()
  tidings.reset()
  expect(tidings.deviceId).toBe(deviceId)
  expect(tidings.sessionId).not.toBe(sessionId)
  await settle()
  expect([tidings.state, browser.streams.length]).toEqual(['idle', 0])
})

test('Wasm blocked by a Content-Security-Policy is told, never a broken page', async () => {
  const onError = vi.fn()
  const tidings = await fresh({ onError })
  vi.spyOn(WebAssembly, 'compile').mockRejectedValue(blockedByCsp)
  const stop = tidings.subscribe('a', () => {})
  tidings.on('b', () => {})
  expect(onError).not.toHaveBeenCalled()
  await expect(stop.ready).rejects.toMatchObject({ code: 'wasmBlocked' })
  await settle()
  expect(onError.mock.calls).toEqual([[expect.objectContaining({ code: 'wasmBlocked' })]])
  expect(tidings.state).toBe('closed')
  expect(tidings.getSnapshot().lastError).toMatchObject({ code: 'wasmBlocked' })
  expect(tidings.headers()).toEqual({ 'X-Device-Id': tidings.deviceId, 'X-Session-Id': tidings.sessionId })
  expect(browser.storage.get('tidings.deviceId')).toBe(tidings.deviceId)
  await expect(tidings.subscribe('c', () => {}).ready).rejects.toMatchObject({ code: 'wasmBlocked' })
  stop()
})

test('Wasm that cannot be compiled is told; `connect()` tries again, and what was asked for is not lost', async () => {
  const compile = vi.spyOn(WebAssembly, 'compile').mockRejectedValueOnce(new RangeError('out of memory'))
  const onError = vi.fn()
  const tidings = await fresh({ onError })
  tidings.subscribe('a', () => {})
  await eventually(() => expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'wasmFailed' })))
  expect(tidings.state).toBe('closed')
  tidings.connect()
  await eventually(() => expect(browser.streams).toHaveLength(1))
  expect(browser.stream.query.channels).toBe('a')
  expect(compile).toHaveBeenCalledTimes(2)
})

test('an engine that cannot be loaded is told, and tried again', async () => {
  loseChunk()
  const onError = vi.fn()
  const waits: unknown[] = []
  const tidings = await fresh({
    onError,
    reconnect: { baseMs: 1, capMs: 1 },
    onState: (state, snapshot) => {
      if (state === 'waiting') waits.push(snapshot)
    },
  })
  const stop = tidings.subscribe('a', () => {})
  await eventually(() => expect(waits.length).toBeGreaterThan(2))
  expect(waits[1]).toEqual({ state: 'waiting', attempt: 2, nextRetryMs: expect.any(Number), lastError: expect.any(Error) })
  expect(onError.mock.calls[0]).toEqual([expect.objectContaining({ code: 'chunkFailed', willRetry: true })])
  lost = false
  await eventually(() => expect(browser.streams).toHaveLength(1))
  browser.stream.open()
  await stop.ready
  expect(tidings.getSnapshot()).toMatchObject({ state: 'open', attempt: 0 })
})

test.each<[string, (tidings: Tidings) => void]>([
  ['`connect()`', (tidings) => tidings.connect()],
  ['`online`', () => (globalThis as unknown as EventTarget).dispatchEvent(new Event('online'))],
])('%s tries at once to load an engine that could not be loaded', async (_, happen) => {
  const page = new EventTarget()
  for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent'] as const) vi.stubGlobal(name, page[name].bind(page))
  loseChunk()
  const tidings = await fresh({ onError: () => {}, reconnect: { baseMs: 1e9, capMs: 1e9 } })
  tidings.subscribe('a', () => {})
  await eventually(() => expect(tidings.state).toBe('waiting'))
  lost = false
  happen(tidings)
  await eventually(() => expect(browser.streams).toHaveLength(1))
})

test('with `reconnect: false`, an engine that cannot be loaded is the end', async () => {
  loseChunk()
  const onError = vi.fn()
  const tidings = await fresh({ onError, reconnect: false })
  await expect(tidings.subscribe('a', () => {}).ready).rejects.toMatchObject({ code: 'chunkFailed' })
  expect(tidings.state).toBe('closed')
  expect(onError).toHaveBeenCalledTimes(1)
})
