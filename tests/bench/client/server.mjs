// Serves the pages, the files that they load, and two streams: one with all frames of a round, written as Tidings writes
// them, as fast as they are taken, and one that only opens.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'

const here = import.meta.dirname
const page = (script) => ['text/html', () => `<!doctype html><title>Client benchmark</title><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`]
const files = {
  '/': page('/readers.js'),
  '/readers.js': ['text/javascript', () => readFileSync(join(here, 'readers.js'))],
  '/start': page('/start.js'),
  '/start.js': ['text/javascript', () => readFileSync(join(here, 'start.js'))],
  '/tidings.js': ['text/javascript', () => readFileSync(join(here, '../../../npm/dist/index.js'))],
  '/engine.js': ['text/javascript', () => readFileSync(join(here, '../../../npm/dist/engine.js'))],
  '/eventsource-parser.js': ['text/javascript', () => readFileSync(join(here, 'node_modules/eventsource-parser/dist/index.js'))],
}

/** The streams, and the channels of each: one with all frames, and one that only opens. */
const STREAMS = { '/events': ['bench'], '/quiet': [] }
const CONNECTED = {
  connectionId: 'n1.bench',
  userId: null,
  deviceId: null,
  rejected: [],
  resumed: false,
  heartbeatMs: 600_000,
  timestamp: '2026-01-02T03:04:05.678Z',
}
/** How many frames one write contains: about 64 KiB. */
const BATCH = 170

/** Cross-origin isolation gives a page a clock of 5 µs instead of 100, and cached files are not requested again. */
const HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cache-control': 'max-age=600',
}

/** Frames whose payloads are about 200 bytes of JSON. */
function batches(events) {
  const batches = []
  for (let from = 0; from < events; from += BATCH) {
    let text = ''
    for (let n = from; n < Math.min(from + BATCH, events); n++) {
      const cursor = `1f3a9c.${n + 2}.9ab3c0`
      const payload = { n, title: 'a timer that somebody started', tags: ['work', 'home'], text: 'x'.repeat(110), done: false }
      const event = { channel: 'bench', type: 'started', timestamp: '2026-01-02T03:04:05.678Z', payload }
      text += `id: ${cursor}\ndata: ${JSON.stringify(event)}\n\n`
    }
    batches.push(Buffer.from(text))
  }
  return batches
}

/** Serves rounds of this many events, on a free port. */
export async function serve(events) {
  const frames = batches(events)
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const channels = STREAMS[pathname]
    if (!channels) {
      const [type, read] = files[pathname] ?? ['text/plain', () => '']
      return response.writeHead(files[pathname] ? 200 : 404, { ...HEADERS, 'content-type': type }).end(read())
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    response.write(`id: 1f3a9c.1.9ab3c0de\nevent: connected\ndata: ${JSON.stringify({ ...CONNECTED, channels })}\n\n`)
    // A start ends with `open`: events that follow at once would be measured with it.
    if (channels.length === 0) return
    // The stream stays open, so that no client reconnects while the last events are counted.
    Readable.from(frames).pipe(response, { end: false })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => (server.closeAllConnections(), server.close()) }
}
