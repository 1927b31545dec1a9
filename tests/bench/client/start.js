// How long a page takes from the first `connect()` to `open`, and the longest time that its main thread is blocked
// meanwhile.
import { Tidings } from '/tidings.js'

/** Posts messages to itself, so that each pause between two shows the longest task in it. */
function watch() {
  const { port1, port2 } = new MessageChannel()
  let last = performance.now()
  let longest = 0
  let on = true
  port1.onmessage = () => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
    if (on) port2.postMessage(0)
  }
  port2.postMessage(0)
  return () => {
    on = false
    return longest
  }
}

const kinds = {
  /** The engine is loaded on the way. */
  tidings: () => opened(new Tidings({ url: '/quiet' })),
  /** The engine was loaded before. */
  async preloaded() {
    const client = new Tidings({ url: '/quiet' })
    await client.preload()
    return opened(client)
  },
  async EventSource() {
    const from = performance.now()
    const stand = watch()
    const source = new EventSource('/quiet')
    await new Promise((done) => source.addEventListener('connected', done))
    const open = performance.now() - from
    source.close()
    return { open, longest: stand() }
  },
}

async function opened(client) {
  await new Promise((done) => setTimeout(done, 50))
  const from = performance.now()
  const stand = watch()
  const open = new Promise((done) => client.subscribeState(() => client.state === 'open' && done()))
  client.connect()
  await open
  const to = performance.now()
  const [chunk] = performance.getEntriesByName(new URL('/engine.js', location.href).href)
  const longest = stand()
  client.reset()
  return { open: to - from, longest, ...(chunk && { afterChunk: to - Math.max(chunk.responseEnd, from) }) }
}

/** Runs one kind of start. All figures are in milliseconds. */
globalThis.start = (kind) => kinds[kind]()
globalThis.kinds = Object.keys(kinds)
