import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { settle, stubBrowser } from '../test/browser.ts'
import type { Tidings } from './index.ts'

let clients: Tidings[] = []

/** Clients of a freshly imported package, so that no warning has been printed. */
async function make(count: number, url = 'http://app.test/api/events'): Promise<Tidings[]> {
  vi.resetModules()
  const { Tidings } = await import('./index.ts')
  return (clients = Array.from({ length: count }, () => new Tidings({ url, transport: 'eventsource' })))
}

beforeEach(() => {
  stubBrowser()
  vi.stubGlobal('document', {})
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})
afterEach(() => {
  for (const client of clients) client.reset()
})

const warnings = (): string[] => vi.mocked(console.warn).mock.calls.map(([text]) => String(text))

test('a page with several clients of one server is warned of, once', async () => {
  for (const client of await make(3)) client.connect()
  await settle()
  expect(warnings()).toEqual([expect.stringMatching(/^tidings: this page has several clients of http:\/\/app\.test\/api\/events,/)])
})

test('a client that takes the place of one that was reset is not', async () => {
  for (const client of await make(3)) {
    client.connect()
    await settle()
    client.reset()
  }
  expect(warnings()).toEqual([])
})

test('a server may have a client for each request', async () => {
  vi.stubGlobal('document', undefined)
  for (const client of await make(2)) client.connect()
  await settle()
  expect(warnings()).toEqual([])
})

test('handlers that nobody ends are warned of', async () => {
  const [client] = await make(1)
  for (let count = 0; count < 100; count++) client!.subscribe('a', () => {})
  expect(warnings()).toEqual([])
  for (let count = 0; count < 5; count++) client!.subscribe('a', () => {})
  client!.on('b', () => {})
  expect(warnings()).toEqual([expect.stringMatching(/^tidings: more than 100 handlers listen to a;/)])
})
