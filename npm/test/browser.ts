import { vi } from 'vitest'

/** A stream whose server is the test. */
export class FakeEventSource extends EventTarget {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSED = 2
  readyState: number = FakeEventSource.CONNECTING
  readonly withCredentials: boolean
  onopen: ((event: Event) => void) | null = null
  onmessage: ((event: Event) => void) | null = null
  onerror: ((event: Event) => void) | null = null

  constructor(
    readonly url: string,
    init?: { withCredentials?: boolean },
  ) {
    super()
    this.withCredentials = init?.withCredentials ?? false
    browser.streams.push(this)
  }

  override dispatchEvent(event: Event): boolean {
    if (this.readyState === FakeEventSource.CLOSED) return false
    const handler = { open: this.onopen, message: this.onmessage, error: this.onerror }[event.type]
    handler?.call(this, event)
    return super.dispatchEvent(event)
  }

  close(): void {
    this.readyState = FakeEventSource.CLOSED
  }

  get closed(): boolean {
    return this.readyState === FakeEventSource.CLOSED
  }

  /** The parameters of the client's request. */
  get query(): Record<string, string> {
    return Object.fromEntries(new URL(this.url).searchParams)
  }

  /** The server sends a frame. */
  frame(event: string, data: unknown, id = ''): void {
    this.text(event, JSON.stringify(data), id)
  }

  /** The server sends a text, which may or may not be a valid frame. */
  text(event: string, data: string, id = ''): void {
    const message = new MessageEvent(event, { data, lastEventId: id })
    // On the clock of the page, which may be the test's.
    this.dispatchEvent(Object.defineProperty(message, 'timeStamp', { value: performance.now() }))
  }

  /** The server accepts, and confirms the channels of the URL, except the rejected ones. */
  open({ rejected = [], userId = 'u1', ...more }: { rejected?: string[]; userId?: string | null; aliveMs?: number } = {}): void {
    this.readyState = FakeEventSource.OPEN
    this.dispatchEvent(new Event('open'))
    const asked = (this.query.channels ?? '').split(',').filter((channel) => channel !== '')
    const connected = {
      connectionId: `n1.${browser.streams.length}`,
      userId,
      deviceId: this.query.deviceId ?? null,
      channels: asked.filter((channel) => !rejected.includes(channel)),
      rejected: rejected.map((channel) => ({ channel, code: 'forbidden' })),
      addressed: userId !== null,
      resumed: this.query.lastEventId !== undefined,
      heartbeatMs: 15000,
      ...more,
      timestamp: '2026-01-02T03:04:05.678Z',
    }
    this.frame('connected', connected, this.query.lastEventId ?? '1f.42.9ab3')
  }

  /** The server sends an event. */
  event(channel: string, payload: unknown, { seq = 43, ...more }: { seq?: number; to?: 'user' | 'device' } = {}): void {
    const cursor = `1f.${seq}.c0de`
    const timestamp = '2026-01-02T03:04:05.678Z'
    this.frame('message', { channel, type: 'changed', ...more, timestamp, payload }, cursor)
  }

  /** The server or the network ends the stream, as browsers report it: one `error`, closed for good. */
  fail(): void {
    const event = new Event('error')
    const handler = this.onerror
    handler?.call(this, event)
    super.dispatchEvent(event)
  }
}

/** A call that the client made. */
export interface Call {
  url: string
  headers: Headers
  mode: RequestMode
  signal: AbortSignal
  /** Whether the call is sent also while the page is left. */
  keepalive: boolean
  body: Record<string, unknown>
}

/** The actions of the page under test. */
export const browser = {
  streams: [] as FakeEventSource[],
  calls: [] as Call[],
  storage: new Map<string, string>(),
  /** The stream opened last. */
  get stream(): FakeEventSource {
    const last = this.streams.at(-1)
    if (!last) throw new Error('no stream was opened')
    return last
  },
}

/** The server's answer to a call; the default accepts every channel. */
export type Answer = (call: Call) => Response

const acceptAll: Answer = ({ body }) => Response.json({ accepted: body.channels ?? [], rejected: [] })

/** Provides the browser APIs that the engine uses to Node. Vitest removes them after each test. */
export function stubBrowser({ answer = acceptAll }: { answer?: Answer } = {}): typeof browser {
  browser.streams.length = 0
  browser.calls.length = 0
  browser.storage.clear()
  const { storage } = browser
  vi.stubGlobal('EventSource', FakeEventSource)
  vi.stubGlobal('location', new URL('http://app.test/page'))
  vi.stubGlobal('origin', 'http://app.test')
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => storage.get(key) ?? null,
    setItem: (key: string, value: string) => void storage.set(key, value),
    removeItem: (key: string) => void storage.delete(key),
  })
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const request = new Request(input, init)
    const text = await request.text()
    const { url, headers, mode, keepalive } = request
    // Not the request's own signal, which reports nothing once the request has been collected as garbage.
    const signal = init?.signal ?? request.signal
    const call = { url, headers, mode, signal, keepalive, body: text ? (JSON.parse(text) as Record<string, unknown>) : {} }
    browser.calls.push(call)
    return answer(call)
  })
  return browser
}

/** Runs everything that is due without waiting, the loading of the engine included. */
export async function settle(): Promise<void> {
  await (await import('../src/engine.ts')).compile().catch(() => {})
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done))
}
