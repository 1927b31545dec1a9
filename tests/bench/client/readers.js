// One function for each reader. It resolves when its handler has received all events, each parsed by JSON.parse and
// dispatched by its channel to a handler that reads the payload.
import { createParser } from '/eventsource-parser.js'
import { Tidings } from '/tidings.js'

/** A handler that counts up to the last event. */
function counting(events) {
  let heard = 0
  let sum = 0
  let done
  const all = new Promise((resolve) => (done = resolve))
  const handler = ({ payload }) => {
    sum += payload.n
    if (++heard === events) done(sum)
  }
  return { all, handler }
}

const url = '/events?channels=bench'

const readers = {
  async 'bare EventSource'(events) {
    const { all, handler } = counting(events)
    const handlers = new Map([['bench', handler]])
    const source = new EventSource(url)
    source.onmessage = ({ data }) => {
      const event = JSON.parse(data)
      handlers.get(event.channel)?.(event)
    }
    const sum = await all
    source.close()
    return sum
  },

  'Tidings by EventSource': (events) => tidings(events, 'eventsource'),

  async 'fetch + eventsource-parser'(events) {
    const { all, handler } = counting(events)
    const handlers = new Map([['bench', handler]])
    const abort = new AbortController()
    const parser = createParser({
      onEvent({ data, event: name }) {
        if (name !== undefined) return
        const event = JSON.parse(data)
        handlers.get(event.channel)?.(event)
      },
    })
    const read = async () => {
      const { body } = await fetch(url, { headers: { accept: 'text/event-stream' }, signal: abort.signal })
      const reader = body.getReader()
      const text = new TextDecoder()
      for (let chunk; !(chunk = await reader.read()).done; ) parser.feed(text.decode(chunk.value, { stream: true }))
    }
    read().catch(() => {})
    const sum = await all
    abort.abort()
    return sum
  },

  'Tidings by fetch': (events) => tidings(events, 'fetch'),
}

async function tidings(events, transport) {
  const { all, handler } = counting(events)
  const client = new Tidings({ url: '/events', transport, onGap: () => console.error('a gap'), onError: console.error })
  client.subscribe('bench', handler)
  const sum = await all
  client.reset()
  return sum
}

globalThis.measure = async (reader, events) => {
  const from = performance.now()
  const sum = await readers[reader](events)
  return { ms: performance.now() - from, sum }
}
globalThis.readers = Object.keys(readers)
