import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Call, browser, settle, stubBrowser } from '../test/browser.ts'
import { Tidings, type TidingsError, type TidingsOptions } from './index.ts'

const text = new TextEncoder()

/** A stream read with `fetch`, whose server is the test. */
class FakeStream {
  closed = false
  #controller!: ReadableStreamDefaultController<Uint8Array>
  readonly response: Response

  constructor(readonly call: Call) {
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (this.#controller = controller) })
    this.response = new Response(body, { headers: { 'content-type': contentType } })
    call.signal.addEventListener('abort', () => {
      this.closed = true
      this.#controller.error(new DOMException('aborted', 'AbortError'))
    })
  }

  /** Sends bytes, and lets the client read them. */
  async send(bytes: string | Uint8Array): Promise<void> {
    this.#controller.enqueue(typeof bytes === 'string' ? text.encode(bytes) : bytes)
    await settle()
  }

  connected(more = {}): Promise<void> {
    const frame = { connectionId: 'n1', userId: 'u1', channels: ['a', 'b'], rejected: [], resumed: false, heartbeatMs: 15000, ...more }
    return this.send(`id: 1f.42.9ab3\nevent: connected\ndata: ${JSON.stringify(frame)}\n\n`)
  }

  async end(): Promise<void> {
    this.#controller.close()
    await settle()
  }
}

/** An event as the server writes it. */
function frame(channel: string, seq: number, payload: unknown, more = {}): string {
  const cursor = `1f.${seq}.c0de`
  return `id: ${cursor}\ndata: ${JSON.stringify({ channel, type: 't', ...more, timestamp: '', payload })}\n\n`
}

/** The content type that the server declares for its streams. */
let contentType: string
const streams: FakeStream[] = []
const errors: TidingsError[] = []
const gaps: unknown[] = []
let refusal: (() => Response) | undefined
let tidings: Tidings

beforeEach(() => {
  streams.length = errors.length = gaps.length = 0
  refusal = undefined
  contentType = 'text/event-stream'
  const answer = (call: Call): Response => {
    if (call.headers.get('accept') !== 'text/event-stream') return Response.json({ accepted: call.body.channels ?? [], rejected: [] })
    if (refusal) return refusal()
    streams.push(new FakeStream(call))
    return streams.at(-1)!.response
  }
  stubBrowser({ answer })
})
afterEach(() => tidings.reset())

function make(options: TidingsOptions = {}): void {
  tidings = new Tidings({
    url: 'http://app.test/api/events',
    reconnect: { baseMs: 1, capMs: 1 },
    onError: (error) => errors.push(error),
    onGap: (...gap) => gaps.push(gap),
    ...options,
  })
}

/** An open stream with two channels, and the events that their handlers receive. */
async function open(options: TidingsOptions = {}): Promise<{ heard: unknown[]; stream: FakeStream }> {
  const heard: unknown[] = []
  make(options)
  for (const channel of ['a', 'b']) tidings.subscribe(channel, ({ payload }) => heard.push([channel, payload]))
  tidings.on('timer', ({ payload }) => heard.push(['timer', payload]))
  await settle()
  const stream = streams.at(-1)!
  await stream.connected()
  return { heard, stream }
}

test('an event has its `id` as its cursor', async () => {
  const { stream } = await open()
  const cursors: string[] = []
  tidings.subscribe('*', ({ cursor }) => cursors.push(cursor))
  await settle()
  await stream.send(`event: subscribed\ndata: {"requestId":"${browser.calls.at(-1)?.body.requestId}","channels":["*"],"cursor":"1f.42.9ab3"}\n\n`)
  await stream.send(frame('a', 43, 1) + frame('b', 44, 1))
  // An event with an exclusion is read in another way.
  await stream.send(frame('a', 45, 1, { except: { userId: 'somebody else', deviceId: 'd' } }))
  expect(cursors).toEqual(['1f.43.c0de', '1f.44.c0de', '1f.45.c0de'])
})

describe('a stream is known by its media type', () => {
  test.each(['TEXT/Event-Stream', 'text/event-stream;charset=utf-8', 'text/event-stream ; charset="utf-8"'])('%s is one', async (type) => {
    contentType = type
    await open()
    expect(tidings.state).toBe('open')
  })

  test.each(['text/event-streaming', 'text/event-stream-x', 'text/event-stream+json', 'application/text/event-stream', ''])('%s is none', async (type) => {
    refusal = () => new Response('id: 1f.42.9ab3\nevent: connected\ndata: {}\n\n', { headers: { 'content-type': type } })
    make()
    tidings.connect()
    await settle()
    expect(errors[0]).toMatchObject({ code: 'network', willRetry: true })
  })
})

describe('which one', () => {
  test('by itself, `fetch` where bodies can be streamed', async () => {
    await open()
    expect(browser.streams).toEqual([])
    expect(tidings.state).toBe('open')
  })

  test('by itself, `EventSource` where they cannot', async () => {
    vi.stubGlobal('Response', { prototype: {}, json: Response.json })
    make()
    tidings.connect()
    await settle()
    expect(browser.streams).toHaveLength(1)
  })

  test('where there is no `EventSource`, `fetch` in a page', async () => {
    vi.stubGlobal('EventSource', undefined)
    vi.stubGlobal('document', Object.assign(new EventTarget(), { visibilityState: 'visible', baseURI: 'http://app.test/' }))
    await open()
    expect(tidings.state).toBe('open')
    expect(errors).toEqual([])
  })

  test('and elsewhere only once somebody calls connect(), however it stood before', async () => {
    vi.stubGlobal('EventSource', undefined)
    vi.stubGlobal('document', undefined)
    make()
    tidings.subscribe('a', () => {})
    await settle()
    expect([streams.length, tidings.state, errors.map(({ code }) => code)]).toEqual([0, 'closed', ['unsupported']])
    tidings.connect()
    await settle()
    await streams.at(-1)!.connected()
    expect([tidings.state, errors.length]).toEqual(['open', 1])
  })

  test('`fetch` where it cannot be done is told', async () => {
    vi.stubGlobal('Response', { prototype: {}, json: Response.json })
    make({ transport: 'fetch' })
    tidings.connect()
    await settle()
    expect(errors).toMatchObject([{ code: 'unsupported', willRetry: false }])
  })
})

test('the token is in the stream’s own headers, and needs no ticket', async () => {
  await open({ token: () => 'secret' })
  expect(browser.calls.map(({ url }) => new URL(url).pathname)).toEqual(['/api/events'])
  expect(streams[0]?.call.headers.get('authorization')).toBe('Bearer secret')
  expect(streams[0]?.call.url).not.toContain('secret')
})

test('a refused stream is not asked about, for it says why', async () => {
  refusal = () => Response.json({ code: 'full' }, { status: 503, headers: { 'retry-after': '9' } })
  make()
  tidings.connect()
  await settle()
  expect(errors).toMatchObject([{ code: 'full', status: 503, willRetry: true }])
  expect(tidings.getSnapshot().nextRetryMs).toBe(9_000)
  expect(browser.calls).toHaveLength(1)
})

test('a server that speaks another edition of the protocol says so, with what to install', async () => {
  refusal = () => Response.json({ code: 'unsupportedProtocol', detail: 'the client speaks edition 2, this server 3 (crate tidings 9.0.0)' }, { status: 400 })
  make()
  tidings.connect()
  await settle()
  expect(browser.calls[0]!.url).toContain('&protocol=2&')
  expect(errors[0]).toMatchObject({ code: 'unsupportedProtocol', detail: expect.stringContaining('crate tidings 9.0.0'), willRetry: true })
  expect(errors[0]!.remedy).toContain('install the version')
})

test('a date on which to come back is read beside the server’s own time', async () => {
  const now = Date.UTC(2001, 1, 1)
  const at = (ms: number) => new Date(now + ms).toUTCString()
  refusal = () => Response.json({ code: 'full' }, { status: 503, headers: { 'retry-after': at(9_000), date: at(0) } })
  make()
  tidings.connect()
  await settle()
  expect(tidings.getSnapshot().nextRetryMs).toBe(9_000)
})

test.each([
  ['a page instead of a stream', 'notFound', () => new Response('<!doctype html>', { headers: { 'content-type': 'text/html; charset=utf-8' } })],
  [
    'no answer',
    'network',
    () => {
      throw new TypeError('Failed to fetch')
    },
  ],
])('%s is a failure to be tried again', async (_, code, answer) => {
  refusal = answer
  make()
  tidings.connect()
  await settle()
  expect(errors[0]).toMatchObject({ code, willRetry: true })
})

test('frames arrive, however the bytes are cut', async () => {
  const { heard, stream } = await open()
  const bytes = text.encode(frame('a', 43, 'ü€😀') + frame('b', 44, { deep: ['"}{'] }) + frame('timer', 45, 1, { to: 'user' }))
  for (const byte of bytes) await stream.send(Uint8Array.of(byte))
  expect(heard).toEqual([
    ['a', 'ü€😀'],
    ['b', { deep: ['"}{'] }],
    ['timer', 1],
  ])
})

test('a lost stream resumes after the last event that came, of whichever channel', async () => {
  const { stream } = await open()
  await stream.send(frame('a', 43, 1) + frame('elsewhere', 44, 2))
  await stream.send('id: 1f.45.1\nevent: heartb')
  await stream.end()
  await vi.waitFor(() => expect(streams).toHaveLength(2))
  expect(new URL(streams[1]!.call.url).searchParams.get('lastEventId')).toBe('1f.44.c0de')
})

test('only what somebody hears is read as JSON', async () => {
  const { heard, stream } = await open()
  const parse = vi.spyOn(JSON, 'parse')
  await stream.send(frame('elsewhere', 43, 1) + frame('a', 44, 2) + frame('timer', 45, 3) + frame('elsewhere', 46, 4))
  expect(heard).toEqual([['a', 2]])
  expect(parse).toHaveBeenCalledTimes(1)
})

test('with `debug`, what nobody hears is told, and what is heard comes as ever', async () => {
  const info = vi.spyOn(console, 'info').mockImplementation(() => {})
  const { heard, stream } = await open({ debug: true })
  await stream.send(frame('a', 43, 1) + frame('elsewhere', 44, 2) + frame('b', 45, 3))
  expect(heard).toEqual([
    ['a', 1],
    ['b', 3],
  ])
  const unheard = info.mock.calls.flat().filter((line) => String(line).includes('no handler'))
  expect(unheard).toEqual(['tidings: event t on elsewhere has no handler in any tab'])
})

test('a handler that ends the connection hears no more of what had come', async () => {
  const { heard, stream } = await open()
  tidings.subscribe('a', () => tidings.disconnect())
  await settle()
  await stream.send(`event: subscribed\ndata: {"requestId":"${browser.calls.at(-1)?.body.requestId}","channels":["a"],"cursor":"1f.42.9ab3"}\n\n`)
  await stream.send(frame('a', 43, 1) + frame('a', 44, 2))
  expect(heard).toEqual([['a', 1]])
  expect([tidings.state, stream.closed]).toEqual(['closed', true])
})

test('an event that is hidden from this tab is hidden', async () => {
  const { heard, stream } = await open()
  await stream.send(frame('a', 43, 1, { except: { userId: 'u1', sessionId: tidings.sessionId } }) + frame('a', 44, 2))
  expect(heard).toEqual([['a', 2]])
})

test('how long events took is measured here too, also beside what cannot be read', async () => {
  let hide!: (event: unknown) => void
  vi.stubGlobal('addEventListener', (name: string, listener: typeof hide) => void (name === 'pagehide' && (hide = listener)))
  make({ reportLatency: true })
  tidings.subscribe('a', () => {})
  await settle()
  const stream = streams.at(-1)!
  await stream.connected({ timestamp: '2026-01-02T03:04:05.000Z' })
  const at = (seq: number): string => frame('a', seq, 1).replace('"timestamp":""', '"timestamp":"2026-01-02T04:04:05.000Z"')
  await stream.send(at(43) + frame('elsewhere', 44, 1) + at(45))
  await stream.send(`${at(46)}id: 1f.47.1\ndata: {"channel":"a","type":"t","timestamp":"","payload":\n\n`)
  hide({ type: 'pagehide' })
  await settle()
  expect(browser.calls.at(-1)).toMatchObject({ url: 'http://app.test/api/events/latency', body: { connectionId: 'n1', ms: [0, 0, 0] } })
})

test('a gap comes in its place, and a broken frame is told', async () => {
  const { heard, stream } = await open()
  await stream.send(`${frame('a', 43, 1)}id: 2a.0.0\nevent: gap\ndata: {"channels":null,"reason":"epoch"}\n\ndata: {"chan\n\n${frame('a', 44, 2)}`)
  await stream.send(`id: 1f.45.1\ndata: {"channel":"a","type":"t","timestamp":"","payload":\n\n`)
  expect(heard).toEqual([
    ['a', 1],
    ['a', 2],
  ])
  expect(gaps).toEqual([[null, 'epoch', true]])
  expect(errors).toMatchObject([{ code: 'malformedFrame' }, { code: 'malformedFrame' }])
})

test('an event that is hidden from somebody else is heard also after more channels than are remembered, in one chunk', async () => {
  const heard: unknown[] = []
  make()
  tidings.subscribe('*', () => {})
  tidings.subscribe('a', ({ payload }) => heard.push(payload))
  await settle()
  const stream = streams.at(-1)!
  await stream.connected({ channels: ['*', 'a'] })
  const except = { userId: 'bob', sessionId: 'z' }
  let seq = 100
  const many = (count: number): string => Array.from({ length: count }, () => frame(`y:${seq}`, seq++, 0)).join('')
  await stream.send(frame('a', seq++, 'first', { except }))
  await stream.send(many(4_080))
  await stream.send(frame('a', seq++, 'second', { except }))
  // The browser's routes are now older than the engine's.
  await stream.send(many(150) + frame('a', seq++, 'third', { except }))
  await stream.send(frame('a', seq++, 'fourth', { except }) + frame('a', seq++, 'fifth'))
  expect(heard).toEqual(['first', 'second', 'third', 'fourth', 'fifth'])
})

test('an event that is too long to be read is told, and the next stream begins behind it', async () => {
  const { heard, stream } = await open()
  await stream.send(frame('a', 43, 'before'))
  await stream.send(frame('a', 44, 'x'.repeat(16 * 1024 * 1024 + 1_000)).slice(0, -100))
  await vi.waitFor(() => expect(streams).toHaveLength(2))
  expect(stream.closed).toBe(true)
  expect(gaps).toEqual([[null, 'tooLarge', true]])
  expect(errors.map(({ code, detail }) => [code, detail])).toEqual([['malformedFrame', 'an event is longer than 16 MiB']])
  expect(new URL(streams[1]!.call.url).searchParams.get('lastEventId')).toBe('1f.44.c0de')
  await streams[1]!.connected({ resumed: true })
  await streams[1]!.send(frame('a', 45, 'after'))
  expect(heard).toEqual([['a', 'before'], ['a', 'after']])
})
