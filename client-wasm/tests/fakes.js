// The browser's side of the tests: an EventSource and a fetch whose server is the test. All else is the browser's own.
//
// The file is a script, which leaves the fakes as `globalThis.fakes`, because a file that wasm-bindgen includes cannot
// import another one.

class FakeEventSource extends EventTarget {
  /** All instances that were made, in order. */
  static all = []
  static get last() {
    return FakeEventSource.all.at(-1)
  }

  closed = false

  constructor(url, init) {
    super()
    this.url = url
    this.withCredentials = init?.withCredentials ?? false
    FakeEventSource.all.push(this)
  }

  close() {
    this.closed = true
  }

  /** Dispatches a frame as the browser would; data that are not a text become JSON. */
  emit(name, data, lastEventId = '') {
    const text = typeof data === 'string' ? data : JSON.stringify(data)
    this.dispatchEvent(new MessageEvent(name, { data: text, lastEventId }))
  }

  connected(channels, more = {}) {
    const frame = { connectionId: 'n1', userId: 'ana', deviceId: null, channels, rejected: [], addressed: true, resumed: false, heartbeatMs: 15000 }
    this.emit('connected', { ...frame, ...more }, '1.10.a')
  }

  /** Dispatches a record at this position in the log. */
  event(channel, seq, more = {}) {
    this.emit('message', { channel, type: 't', timestamp: '', payload: { seq }, ...more }, `1.${seq}.a`)
  }

  fail() {
    this.dispatchEvent(new Event('error'))
  }
}

/** The requests of `fetch`: `{url, method, body, answer(status, body, headers), fail()}`. */
const requests = []

const real = { EventSource: globalThis.EventSource, fetch: globalThis.fetch }

/** Installs the fakes, without any state of an earlier test. */
function install() {
  FakeEventSource.all = []
  requests.length = 0
  localStorage.clear()
  // Generating an id takes time.
  localStorage.setItem('tidings.deviceId', 'd1')
  globalThis.EventSource = FakeEventSource
  globalThis.fetch = (url, init = {}) =>
    // The test runner loads its own files.
    !String(url).startsWith('/e')
      ? real.fetch(url, init)
      : new Promise((resolve, reject) => {
          requests.push({
            url,
            init,
            body: init.body && JSON.parse(init.body),
            answer: (status, body = {}, headers = {}) => resolve(new Response(JSON.stringify(body), { status, headers })),
            text: (status, body) => resolve(new Response(body, { status })),
            fail: () => reject(new TypeError('refused')),
          })
        })
}

function uninstall() {
  Object.assign(globalThis, real)
}

/** Waits until a condition holds. The test runner limits the time. */
async function until(fact) {
  for (;;) {
    const value = await fact()
    if (value) return value
    await new Promise((resolve) => setTimeout(resolve))
  }
}

/** The next request that has not been taken. */
const request = () => until(() => requests.shift())

/** Runs all microtasks that are due. */
const microtasks = () => new Promise((resolve) => setTimeout(resolve))

function equal(actual, expected, what = '') {
  const [a, b] = [actual, expected].map((value) => JSON.stringify(value))
  if (a !== b) throw new Error(`${what} expected ${b}, got ${a}`)
}

/** A stream's URL as an object of its parameters. */
const parameters = (url) => Object.fromEntries(new URLSearchParams(url.split('?')[1]))

// Functions for the tests in Rust, without objects.
const streams = () => FakeEventSource.all.length
const isClosed = () => FakeEventSource.last.closed
const emit = (name, data, id) => FakeEventSource.last.emit(name, data, id)
const authorization = () => requests.at(-1)?.init.headers.authorization ?? ''

globalThis.fakes = {
  FakeEventSource,
  requests,
  install,
  uninstall,
  until,
  request,
  microtasks,
  equal,
  parameters,
  streams,
  isClosed,
  emit,
  authorization,
}
