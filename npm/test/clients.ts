/** Clients of a test, in a stubbed browser. */
import { afterEach, beforeEach } from 'vitest'
import { Tidings, type TidingsOptions } from '../src/index.ts'
import { browser, settle, stubBrowser } from './browser.ts'

const clients: Tidings[] = []

export function make(options: TidingsOptions = {}): Tidings {
  const tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource', ...options })
  clients.push(tidings)
  return tidings
}

/** A client with one handler, connected. */
export async function connected(options: TidingsOptions = {}): Promise<Tidings> {
  const tidings = make(options)
  tidings.connect()
  await settle()
  browser.stream.open()
  await settle()
  return tidings
}

/** Stubs the browser before each test of a file, and ends the test's clients after it. */
export function stubEach(): void {
  beforeEach(() => void stubBrowser())
  afterEach(() => {
    for (const tidings of clients.splice(0)) tidings.reset()
  })
}
