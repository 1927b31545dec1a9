// A page as its scripts see it. Every fake only passes its calls on to the world, and the world decides their results
// and when they come. It is one file, because the page that the world commands holds the state of every fake.
import { GLOBALS, webAssembly } from './package.mjs'

/** The stored items, by browser. */
export const storages = new Map()

/** An error that the world plants: the next call of the named function throws it. */
class Broken extends Error {
  constructor(what) {
    super(`${what} is broken`)
  }
}

class Target {
  #listeners = new Map()
  constructor(run, before) {
    this.run = run
    this.before = before
  }
  addEventListener(type, listener) {
    this.before?.('addEventListener')
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(listener))
  }
  removeEventListener(type, listener) {
    this.#listeners.get(type)?.delete(listener)
  }
  dispatch(event) {
    for (const listener of [...(this.#listeners.get(event.type) ?? [])]) {
      if (this.#listeners.get(event.type).has(listener)) this.run(() => listener.call(this, event))
    }
  }
}

export class Page {
  now
  wall
  #note
  #ids = 0
  #broken = new Map()
  #fetches = new Map()
  #bodies = new Map()
  #sources = new Map()
  #timers = new Map()
  #tasks = new Map()
  #imports = new Map()
  #locks = new Map()
  #held = new Map()
  #queries = new Map()
  #channels = new Map()

  /**
   * @param page - `device` is whose storage it has; `lacks` names globals that are not there; `srcdoc` makes it a frame's page
   * @param factories - the modules of the package
   * @param note - tells the world what the page does
   */
  constructor({ now, wall, seed, device, storedDevice, refusesStorage, lacks = [], srcdoc }, factories, note) {
    Object.assign(this, { now, wall })
    this.#note = note
    if (!storages.has(device)) storages.set(device, new Map(storedDevice ? [['tidings.deviceId', storedDevice]] : []))
    const before = (what) => this.#mayThrow(what)
    const run = (what) => this.#run(what)
    this.document = Object.assign(new Target(run, before), { hidden: false, visibilityState: 'visible', baseURI: 'http://app.test/page' })
    const windowTarget = new Target(run)
    const globals = {
      document: this.document,
      location: srcdoc ? { href: 'about:srcdoc', origin: 'null' } : new URL('http://app.test/page'),
      origin: 'http://app.test',
      navigator: { locks: { request: this.#request.bind(this), query: () => this.#query() } },
      localStorage: storage(storages.get(device), () => {
        if (refusesStorage) throw new DOMException('storage is refused', 'SecurityError')
        this.#mayThrow('localStorage')
      }),
      fetch: (url, init) => this.#fetch(url, init),
      Response: class { get body() {} },
      ...this.#classes(),
      setTimeout: (callback, ms) => this.#pending(this.#timers, callback, 'timer', { ms: Math.max(0, Number(ms) || 0) }),
      clearTimeout: (id) => void (this.#timers.delete(id) && this.#note('clear', { id })),
      queueMicrotask: (callback) => queueMicrotask(() => this.#run(callback)),
      performance: { now: () => (this.#mayThrow('performance.now'), this.now) },
      crypto: { getRandomValues: (array) => (this.#mayThrow('crypto'), random(seed, array)) },
      Math: Object.create(Math, { random: { value: () => random(seed, new Uint32Array(1))[0] / 2 ** 32 } }),
      console: { error: (...said) => this.#note('log', { text: said.join(' ') }), info() {}, warn() {} },
      WebAssembly: webAssembly,
      TextEncoder,
      addEventListener: windowTarget.addEventListener.bind(windowTarget),
      removeEventListener: windowTarget.removeEventListener.bind(windowTarget),
    }
    for (const name of lacks) globals[name] = undefined
    if (lacks.includes('locks')) globals.navigator = {}
    this.window = windowTarget
    globals.globalThis = globals.window = globals.self = globals
    this.#globals = globals
    this.#factories = factories
    /** The package's entry. The engine is loaded when the world decides it. */
    this.package = this.#evaluate('index')
  }

  #globals
  #factories
  #engine

  #evaluate(name) {
    const load = (url) => new Promise((resolve, reject) => void this.#pending(this.#imports, { resolve, reject }, 'import', { url }))
    const { setTimeout } = this.#globals
    // The engine's imports may be broken. Before the engine is loaded, their names are unknown.
    const broken = { setTimeout: (...given) => (this.#mayThrow('setTimeout'), setTimeout(...given)) }
    const globals = name === 'engine' ? { ...this.#globals, ...broken } : this.#globals
    return this.#factories[name](...GLOBALS.map((global) => globals[global]), load)
  }

  /** Registers an operation that the world will complete. */
  #pending(map, value, does, more) {
    const id = ++this.#ids
    map.set(id, value)
    this.#note(does, { id, ...more })
    return id
  }

  /** Makes the next calls of this function throw. */
  throws({ what, times }) {
    this.#broken.set(what, times)
  }

  #mayThrow(what) {
    const times = this.#broken.get(what)
    if (!times) return
    this.#broken.set(what, times - 1)
    this.#note('thrown', { what })
    throw new Broken(what)
  }

  /** Runs a callback of the browser. An exception in it is reported, and ends nothing else. */
  #run(callback) {
    try {
      callback()
    } catch (error) {
      this.#note('uncaught', { text: String(error?.stack ?? error) })
    }
  }

  // ---- requests ----

  #fetch(input, { method = 'GET', headers = {}, body, signal, keepalive = false } = {}) {
    this.#mayThrow('fetch')
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const url = String(new URL(input, this.document.baseURI))
      const named = Object.fromEntries(new Headers(headers))
      const id = this.#pending(this.#fetches, { resolve, reject, url }, 'fetch', { url, method, headers: named, body, keepalive })
      signal?.addEventListener('abort', () => {
        const open = this.#fetches.delete(id)
        const reading = this.#bodies.get(id)
        if (!open && !reading) return
        this.#bodies.delete(id)
        this.#note('abort', { id })
        reject(signal.reason)
        reading?.reject(signal.reason)
      })
    })
  }

  /** Delivers the head of an answer, and its body unless that is streamed. */
  answer({ id, status, headers, text, streams, breaks }) {
    const fetch = this.#fetches.get(id)
    if (!fetch) return
    this.#fetches.delete(id)
    const body = new Body()
    if (streams) this.#bodies.set(id, body)
    fetch.resolve({
      status,
      ok: status >= 200 && status < 300,
      url: fetch.url,
      headers: { get: (name) => headers[name] ?? null },
      body: { getReader: () => ({ read: () => body.read() }) },
      text: async () => {
        if (breaks) throw new TypeError('the body broke off')
        return text
      },
    })
  }

  /** Fails a request, as the browser does without an answer. */
  fail({ id }) {
    const fetch = this.#fetches.get(id)
    this.#fetches.delete(id)
    fetch?.reject(new TypeError('failed to fetch'))
  }

  /** Delivers bytes of a body, one character for each. */
  chunk({ id, bytes }) {
    this.#bodies.get(id)?.push(new Uint8Array(Buffer.from(bytes, 'latin1')))
  }

  /** Ends a body, or breaks it off. */
  end({ id, breaks }) {
    const body = this.#bodies.get(id)
    this.#bodies.delete(id)
    if (breaks) body?.reject(new TypeError('network error'))
    else body?.close()
  }

  // ---- the globals that are classes ----

  #classes() {
    const page = this
    class EventSource extends Target {
      constructor(url, { withCredentials } = {}) {
        super((what) => page.#run(what))
        page.#mayThrow('EventSource')
        this.id = page.#pending(page.#sources, this, 'source', { url: String(new URL(url, page.document.baseURI)), withCredentials })
      }
      close() {
        if (page.#sources.delete(this.id)) page.#note('abort', { id: this.id })
      }
    }
    class BroadcastChannel {
      onmessage = null
      constructor(name) {
        page.#mayThrow('BroadcastChannel')
        this.id = page.#pending(page.#channels, this, 'channel', { name })
      }
      postMessage(data) {
        page.#mayThrow('postMessage')
        if (page.#channels.has(this.id)) page.#note('post', { id: this.id, data: JSON.stringify(data) })
      }
      close() {
        if (page.#channels.delete(this.id)) page.#note('closeChannel', { id: this.id })
      }
    }
    class MessageChannel {
      port1 = { onmessage: null, close() {} }
      port2 = { postMessage: (data) => void page.#pending(page.#tasks, () => this.port1.onmessage?.({ data }), 'task') }
    }
    const Date = class extends globalThis.Date {
      constructor(...given) {
        super(...(given.length > 0 ? given : [page.wall]))
      }
      static now() {
        return page.wall
      }
    }
    class TextDecoder extends globalThis.TextDecoder {
      decode(...given) {
        page.#mayThrow('TextDecoder')
        return super.decode(...given)
      }
    }
    return { EventSource, BroadcastChannel, MessageChannel, Date, TextDecoder, URL }
  }

  /** Delivers an event of a source, or its error. */
  frame({ id, type, data, lastEventId }) {
    this.#sources.get(id)?.dispatch({ type, data, lastEventId, timeStamp: this.now })
  }

  /** Delivers a message on a channel. */
  message({ id, data }) {
    const channel = this.#channels.get(id)
    if (channel?.onmessage) this.#run(() => channel.onmessage({ data: JSON.parse(data) }))
  }

  // ---- timers and tasks ----

  timer({ id }) {
    const callback = this.#timers.get(id)
    if (!callback) return
    this.#timers.delete(id)
    this.#run(callback)
  }

  task({ id }) {
    const callback = this.#tasks.get(id)
    this.#tasks.delete(id)
    if (callback) this.#run(callback)
  }

  // ---- locks ----

  #request(name, options, callback) {
    this.#mayThrow('locks')
    if (typeof options === 'function') [options, callback] = [{}, options]
    const { mode = 'exclusive', ifAvailable = false, steal = false, signal } = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const id = this.#pending(this.#locks, { name, mode, callback, resolve, reject }, 'lock', { name, mode, ifAvailable, steal })
      signal?.addEventListener('abort', () => {
        if (!this.#locks.delete(id)) return
        this.#note('unlock', { id })
        reject(signal.reason)
      })
    })
  }

  /** Grants a lock, or reports that it is not available. */
  lock({ id, granted }) {
    const request = this.#locks.get(id)
    if (!request) return
    this.#locks.delete(id)
    if (granted) this.#held.set(id, request)
    const { name, mode, callback, resolve, reject } = request
    const ended = (end) => (value) => {
      if (granted && !this.#held.delete(id)) return
      if (granted) this.#note('unlock', { id })
      end(value)
    }
    let result
    try {
      result = callback(granted ? { name, mode } : null)
    } catch (error) {
      return ended(reject)(error)
    }
    Promise.resolve(result).then(ended(resolve), ended(reject))
  }

  /** Takes a lock away by stealing, or refuses it. */
  unlocked({ id, name }) {
    const request = this.#held.get(id) ?? this.#locks.get(id)
    this.#held.delete(id)
    this.#locks.delete(id)
    request?.reject(new DOMException('the lock is gone', name))
  }

  #query() {
    return new Promise((resolve) => void this.#pending(this.#queries, resolve, 'query'))
  }

  /** Reports which locks are held. */
  held({ id, names }) {
    const resolve = this.#queries.get(id)
    this.#queries.delete(id)
    resolve?.({ held: names.map((name) => ({ name })), pending: [] })
  }

  // ---- the page itself ----

  /** Dispatches an event of the page. */
  event({ type, hidden, persisted }) {
    if (hidden !== undefined) Object.assign(this.document, { hidden, visibilityState: hidden ? 'hidden' : 'visible' })
    const target = ['visibilitychange', 'freeze', 'resume'].includes(type) ? this.document : this.window
    target.dispatch({ type, target, persisted })
  }

  /** Completes or fails the loading of a script. */
  script({ id, comes }) {
    const { resolve, reject } = this.#imports.get(id) ?? {}
    this.#imports.delete(id)
    if (!resolve) return
    // A browser evaluates a module only once.
    if (comes) resolve((this.#engine ??= this.#evaluate('engine')))
    else reject(new TypeError('Failed to fetch dynamically imported module: http://app.test/assets/engine.js'))
  }
}

/** A body that is read as it arrives. */
class Body {
  #chunks = []
  #waiting
  #end

  push(value) {
    this.#chunks.push(value)
    this.#go()
  }
  close() {
    this.#end = (waiting) => waiting.resolve({ done: true, value: undefined })
    this.#go()
  }
  reject(cause) {
    this.#chunks.length = 0
    this.#end = (waiting) => waiting.reject(cause)
    this.#go()
  }
  read() {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#go()
    })
  }
  #go() {
    const waiting = this.#waiting
    if (!waiting || (this.#chunks.length === 0 && !this.#end)) return
    this.#waiting = undefined
    if (this.#chunks.length > 0) waiting.resolve({ done: false, value: this.#chunks.shift() })
    else this.#end(waiting)
  }
}

const storage = (values, check) => ({
  getItem: (key) => (check(), values.get(key) ?? null),
  setItem: (key, value) => (check(), void values.set(key, value)),
  removeItem: (key) => (check(), void values.delete(key)),
})

/** SplitMix64 over `seed.at`. */
function random(seed, array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  for (let at = 0; at < bytes.length; at += 8) {
    seed.at = BigInt.asUintN(64, BigInt(seed.at) + 0x9e3779b97f4a7c15n)
    let z = seed.at
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn)
    z ^= z >> 31n
    for (let byte = 0; byte < 8 && at + byte < bytes.length; byte++) bytes[at + byte] = Number((z >> BigInt(8 * byte)) & 0xffn)
  }
  return array
}
