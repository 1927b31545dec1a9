import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { browser, settle, stubBrowser } from '../test/browser.ts'
import type { Tidings, TidingsOptions } from './index.ts'
import { wasmFile } from '../wasm.mjs'
import { readFileSync } from 'node:fs'

const bytes = readFileSync(wasmFile)
const wasmResponse = (): Response => new Response(bytes, { headers: { 'Content-Type': 'application/wasm' } })
const blockedByCsp = new WebAssembly.CompileError(
  "WebAssembly.instantiate(): Compiling or instantiating WebAssembly module violates the following Content Security policy directive because neither 'wasm-eval' nor 'unsafe-eval' is an allowed source of script",
)

let clients: Tidings[] = []

/** A client of a package that was just imported, so that no Wasm is loaded yet. */
async function fresh(options: TidingsOptions = {}): Promise<Tidings> {
  vi.resetModules()
  const { Tidings } = await import('./index.ts')
  const tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource', ...options })
  clients.push(tidings)
  return tidings
}

function refuseAtOnce(error: Error): void {
  // A `function`, because it is called by `new`.
  vi.spyOn(WebAssembly, 'Module').mockImplementation(function () {
    throw error
  })
}

function refuseWasm(error: Error): void {
  refuseAtOnce(error)
  vi.spyOn(WebAssembly, 'instantiate').mockRejectedValue(error)
  vi.spyOn(WebAssembly, 'instantiateStreaming').mockRejectedValue(error)
}

beforeEach(() => void stubBrowser())
afterEach(() => {
  vi.restoreAllMocks()
  for (const tidings of clients.splice(0)) tidings.reset()
})

test('importing needs nothing of a browser, not even what jsdom lacks', async () => {
  for (const name of ['TextDecoder', 'TextEncoder', 'EventSource', 'localStorage']) vi.stubGlobal(name, undefined)
  expect((await fresh()).state).toBe('idle')
  // Using it does.
  vi.unstubAllGlobals()
})

test('the Wasm loads on first use, at once', async () => {
  const compiled = vi.spyOn(WebAssembly, 'Module')
  const tidings = await fresh()
  expect(compiled).not.toHaveBeenCalled()
  tidings.subscribe('a', () => {})
  expect(compiled).toHaveBeenCalledTimes(1)
})

test('all clients share one instance', async () => {
  const compiled = vi.spyOn(WebAssembly, 'Module')
  const tidings = await fresh()
  const { Tidings } = await import('./index.ts')
  const other = new Tidings()
  clients.push(other)
  expect(tidings.sessionId).not.toBe(other.sessionId)
  expect(compiled).toHaveBeenCalledTimes(1)
})

test('where compiling at once is refused, it loads asynchronously, and calls made before take effect in order', async () => {
  refuseAtOnce(new RangeError('WebAssembly.Compile is disallowed on the main thread, if the buffer size is larger than 4KB'))
  const states: string[] = []
  const tidings = await fresh({ onState: (state) => states.push(state) })
  const gone = tidings.subscribe('gone', () => {})
  tidings.connect()
  tidings.disconnect()
  tidings.subscribe('a', () => {})
  tidings.connect()
  gone()
  expect(states).toEqual([])
  await vi.waitFor(() => expect(states.at(-1)).toBe('connecting'))
  await settle()
  expect(states).toEqual(['connecting', 'closed', 'connecting'])
  expect(browser.stream.query.channels).toBe('a')
})

test('a browser that refused to compile at once is not asked to do so again', async () => {
  const tidings = await fresh()
  refuseAtOnce(blockedByCsp)
  tidings.headers()
  tidings.headers()
  expect(WebAssembly.Module).toHaveBeenCalledTimes(1)
})

test('ids given out before the Wasm was there stay the same', async () => {
  const tidings = await fresh({ wasm: wasmResponse() })
  const before = tidings.headers()
  expect(browser.storage.get('tidings.deviceId')).toBe(before['X-Device-Id'])
  tidings.connect()
  await vi.waitFor(() => expect(browser.streams).toHaveLength(1))
  expect(tidings.headers()).toEqual(before)
  expect(browser.stream.query).toMatchObject({ deviceId: before['X-Device-Id'], sessionId: before['X-Session-Id'] })
})

test('ids stay the same also where storage is refused', async () => {
  const refuse = (): never => {
    throw new DOMException('The operation is insecure.', 'SecurityError')
  }
  vi.stubGlobal('localStorage', { getItem: refuse, setItem: refuse })
  const tidings = await fresh({ wasm: wasmResponse() })
  const before = tidings.headers()
  tidings.connect()
  await vi.waitFor(() => expect(browser.streams).toHaveLength(1))
  expect(tidings.headers()).toEqual(before)
})

test('a reset before the Wasm is there makes another session of the same device', async () => {
  const tidings = await fresh({ wasm: wasmResponse() })
  const { deviceId, sessionId } = tidings
  tidings.reset()
  expect(tidings.deviceId).toBe(deviceId)
  expect(tidings.sessionId).not.toBe(sessionId)
})

describe.each([
  ['a response', () => wasmResponse()],
  ['a promise of a response', () => Promise.resolve(wasmResponse())],
  ['a URL', () => new URL('http://app.test/tidings.wasm')],
  ['a text', () => 'http://app.test/tidings.wasm'],
  ['bytes', () => bytes],
  ['a module', () => new WebAssembly.Module(bytes)],
])('the option wasm as %s', (_, source) => {
  test('loads it', async () => {
    stubBrowser({ answer: wasmResponse })
    const tidings = await fresh({ wasm: source() })
    tidings.connect()
    await vi.waitFor(() => expect(browser.streams).toHaveLength(1))
  })
})

test.each([
  ['a Content-Security-Policy', () => refuseWasm(blockedByCsp)],
  ['a browser without WebAssembly', () => vi.stubGlobal('WebAssembly', undefined)],
])('Wasm blocked by %s is told, never a broken page', async (_, block) => {
  const onError = vi.fn()
  const tidings = await fresh({ onError })
  block()
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

test('Wasm that cannot be fetched is told; connect() tries again, and what was asked for is not lost', async () => {
  let there = false
  stubBrowser({ answer: () => (there ? wasmResponse() : new Response('no such file', { status: 404 })) })
  const onError = vi.fn()
  const tidings = await fresh({ wasm: 'http://app.test/tidings.wasm', onError })
  tidings.subscribe('a', () => {})
  await vi.waitFor(() => expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'wasmFailed' })))
  expect(tidings.state).toBe('closed')
  there = true
  tidings.connect()
  await vi.waitFor(() => expect(browser.streams).toHaveLength(1))
  expect(browser.stream.query.channels).toBe('a')
})
