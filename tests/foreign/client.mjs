// Connects one client from npm to a stream: `node client.mjs NAME URL` prints each message that the client reports, as
// JSON on a line.
const [name, url] = process.argv.slice(2)
const say = (event, id, data) => console.log(JSON.stringify({ event: event || 'message', id: id ?? '', data }))
const fail = (error) => console.log(JSON.stringify({ error: String(error?.message ?? error) }))
/** The event names for clients that need a listener for each. */
const NAMES = ['message', 'connected', 'heartbeat', 'gap']

const clients = {
  async '@microsoft/fetch-event-source'() {
    // The client is made for pages, and asks whether this one is visible.
    globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} }
    globalThis.window = globalThis
    const { fetchEventSource } = await import('@microsoft/fetch-event-source')
    await fetchEventSource(url, { fetch, openWhenHidden: true, onmessage: ({ event, id, data }) => say(event, id, data) })
  },
  async '@sentool/fetch-event-source'() {
    globalThis.window ??= globalThis
    const { fetchEventSource } = await import('@sentool/fetch-event-source')
    await fetchEventSource(url, { onmessage: ({ event, id, data }) => say(event, id, typeof data === 'string' ? data : JSON.stringify(data)) })
  },
  async eventsource() {
    const { EventSource } = await import('eventsource')
    const source = new EventSource(url)
    for (const each of NAMES) source.addEventListener(each, ({ type, lastEventId, data }) => say(type, lastEventId, data))
    source.addEventListener('error', ({ message }) => fail(message))
  },
  async 'eventsource-client'() {
    const { createEventSource } = await import('eventsource-client')
    for await (const { event, id, data } of createEventSource(url)) say(event, id, data)
  },
  async 'eventsource-parser'() {
    const { EventSourceParserStream } = await import('eventsource-parser/stream')
    const { body } = await fetch(url)
    for await (const { event, id, data } of body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())) say(event, id, data)
  },
  async 'launchdarkly-eventsource'() {
    const { default: { EventSource } } = await import('launchdarkly-eventsource')
    const source = new EventSource(url)
    for (const each of NAMES) source.addEventListener(each, ({ type, lastEventId, data }) => say(type, lastEventId, data))
    source.onerror = fail
  },
  async 'sse.js'() {
    // The client is made for pages, and reads by XMLHttpRequest; it needs no more than this.
    globalThis.XMLHttpRequest = class extends EventTarget {
      responseText = ''
      readyState = 0
      open(method, where) {
        this.request = [where, { method }]
      }
      setRequestHeader() {}
      getResponseHeader = (header) => this.response?.headers.get(header)
      getAllResponseHeaders = () => [...(this.response?.headers ?? [])].map(([key, value]) => `${key}: ${value}`).join('\r\n')
      async send() {
        this.response = await fetch(...this.request)
        this.status = this.response.status
        this.readyState = 2
        this.dispatchEvent(new Event('readystatechange'))
        this.readyState = 3
        for await (const chunk of this.response.body.pipeThrough(new TextDecoderStream())) {
          this.responseText += chunk
          this.dispatchEvent(new Event('progress'))
        }
      }
      abort() {}
    }
    globalThis.CustomEvent ??= Event
    const { SSE } = await import('sse.js')
    const source = new SSE(url, { start: false })
    for (const each of NAMES) source.addEventListener(each, ({ type, id, data }) => say(type, id, data))
    source.addEventListener('error', ({ data }) => fail(data))
    source.stream()
  },
}

await clients[name]().catch(fail)
