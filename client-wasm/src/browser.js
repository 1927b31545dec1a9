// The parts of the browser that the driver needs, as thin as possible: no code here makes a decision. It is JavaScript
// because a call into the browser takes a tenth of the bytes that it takes in Wasm, where each call needs its own
// binding.
//
// Reading must not throw, whatever a server sends.

// ---- the table: made from Rust's `codec` by its test
const RECORD = 0
const BACKFILL = 3
const ERROR = 8
const PRESENCE = 9
const ONLINE = 11
const TICK = 15
const FLUSH = 16
const ANSWER = 17
const GARBLED = 18
const UNSUPPORTED = 19
const PRESENCE_UPDATE = 26
const CHUNK = 27
const REFUSED = 28
const BROKEN = 29
const TOKEN = 1
const PROBE = 2
const REPORT = 3
const UNKNOWN = 4294967295
const FRAMES = ['message', 'connected', 'subscribed', 'backfill', 'gap', 'heartbeat', 'revoked', 'closing', 'error', 'presence', 'challenge']
const WORLD = ['online', 'pagehide', 'pageshow', 'visibilitychange']
const FIELDS = {
  connected: 'connectionId channels rejected resumed heartbeatMs expiresIn aliveMs timestampMs userId',
  subscribed: 'requestId channels addressed cursor',
  gap: 'channels addressed cursor requestId reason',
  revoked: 'channels addressed code',
  closing: 'retryMs reason',
  presence: 'rejected',
}
const ANSWERED = 'status retryAfterMs code rejected ticket expiresIn userId detail'
const EVENT = 'cursor channel to requestId'
const EXCEPT = 'userId sessionId deviceId'
const SETTINGS = 'deviceId sessionId since idleMs shareConnection reconnect baseMs capMs maxAttempts latency url withCredentials debugs'
// ---- end of the table

/**
 * The page events to which the events of a page in the background correspond: the page is about to be frozen, or
 * continues.
 */
const FREEZE_AS_PAGE = { freeze: 'pagehide', resume: 'pageshow' }

/** The longest delay of a timer; a longer one would wrap around and fire at once. */
const LONGEST_MS = 0x7fffffff

/** Reads JSON that must be an object. */
export function object(text) {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && value ? value : undefined
  } catch {
    return undefined
  }
}

/** Made on first use: importing the package must not throw where the class is missing (Jest's jsdom). */
let decoder
/** Decodes the bytes of a text. Bytes that are not UTF-8 are replaced, as the standard for streams requires. */
const decoded = (bytes) => (decoder ??= new TextDecoder('utf-8', { ignoreBOM: true })).decode(bytes)

export const objectOf = (bytes) => object(decoded(bytes))

/** Reads JSON that must be a list of this length. */
export function list(bytes, length) {
  try {
    const values = JSON.parse(decoded(bytes))
    return values.length === length ? values : undefined
  } catch {
    return undefined
  }
}

export const item = (list, index) => list[index]

/**
 * The browser of one driver. It calls `call(what, number, now, text, value)`, which returns whether it could read the
 * value. If the tabs have yet to agree on the device id, `agreed` is a promise of it.
 */
export function attach(call, token, withCredentials, byFetch, agreed) {
  let source
  let timer
  /** The token for requests. It is sent in their headers, and nowhere else. */
  let bearer
  /** How many times the token was requested. */
  let tokens = 0
  // The routes found so far, under the channel's own string: a look-up copies nothing out of JavaScript.
  const channels = new Map()
  const labels = new Map()
  const rooms = new Map()

  const notify = (what, number = 0, text = '', value, now = performance.now()) => call(what, number, now, text, value)
  const broken = (cause) => call(BROKEN, 0, 0, '', cause)
  /** Wraps a function that the browser calls: an error that it throws would be lost, and the client would stop. */
  const guarded =
    (run) =>
    (...given) => {
      try {
        return run(...given)
      } catch (cause) {
        broken(cause)
      }
    }
  const routes = (what, record) => (what === PRESENCE_UPDATE ? rooms : record.to === undefined ? channels : labels)
  const tick = guarded(() => notify(TICK))

  const hear = guarded(({ type, data, lastEventId, timeStamp }) => {
    const record = object(data)
    if (!record) return notify(GARBLED, 0, type)
    // The stream carries the cursor as the `id:`; the application, here and in other tabs, finds it in the event.
    record.cursor = lastEventId
    browser.frame = { type, data }
    // The event's time is on the same clock, and reading another time costs more than the rest of this function.
    heard(RECORD, record, timeStamp)
  })
  const heard = (what, record, now) => {
    const { channel, cursor, requestId, except } = record
    const route = routes(what, record).get(channel)
    const more = route === undefined || requestId !== undefined || except !== undefined
    // In most cases only the cursor is needed.
    notify(
      what,
      route ?? UNKNOWN,
      more ? `${lines(record, EVENT)}\n${lines(except, EXCEPT)}` : line(cursor),
      record,
      now,
    )
  }
  const control = guarded(({ type, data, lastEventId, call }) => {
    const what = FRAMES.indexOf(type)
    if (!FIELDS[type] && what !== BACKFILL) return notify(what, 0, lastEventId)
    const value = object(data)
    browser.frame = { type, data }
    // The leading tab has sent the request under its own number.
    if (call) value.requestId = call
    if (value && what === BACKFILL) heard(what, value)
    else if (value && what === PRESENCE && value.code === undefined) heard(PRESENCE_UPDATE, value)
    else if (!value || !notify(what, 0, `${lastEventId}\n${lines({ ...value, rejected: what === PRESENCE ? [value] : value.rejected, timestampMs: time(value) }, FIELDS[type])}`)) notify(GARBLED, 0, type)
  })
  const onPageEvent = guarded(({ type, target }) => {
    if (type !== 'visibilitychange' || !target.hidden) notify(ONLINE + WORLD.indexOf(FREEZE_AS_PAGE[type] ?? type))
  })

  const ask = async (whom, url, body) => {
    if (whom === TOKEN) {
      const own = ++tokens
      const given = (await token()) || undefined
      const status = !given ? 204 : given === bearer ? 304 : 200
      // An earlier request may be answered later, with the token of the previous user.
      if (own === tokens) bearer = given
      return String(status)
    }
    if (whom === PROBE) {
      await fetch(url, { cache: 'no-store', mode: 'no-cors', credentials: 'omit' })
      return lines({ code: 'cors', detail: 'the server is there, and does not let pages of this origin read its answers' }, ANSWERED)
    }
    const post = body !== undefined
    const init = post ? { method: 'POST', body, keepalive: whom === REPORT } : {}
    return summary(await request(url, init, post && { 'content-type': 'application/json' }))
  }
  const request = async (url, init, headers) =>
    fetch(url, {
      cache: 'no-store',
      headers: { ...headers, ...(bearer && { authorization: `Bearer ${bearer}` }) },
      ...(withCredentials && { credentials: 'include' }),
      ...init,
    })
  const summary = async (response) => {
    const { headers, ok, status, url } = response
    // Not measured by the client's own clock, which may be hours ahead.
    const wait = delay(headers.get('retry-after'), headers.get('date'))
    // The server of the page answers any address with the page, as development servers do: then our server has another
    // address.
    const page = ok && /^text\/html *(;|$)/i.test(headers.get('content-type')) && { code: 'notFound', detail: `${url.split('?')[0]} answers with a web page` }
    // The body is not JSON (a proxy's page, for example): then only the status is used.
    return lines({ ...page, ...object(await response.text()), status, retryAfterMs: wait }, ANSWERED)
  }

  /** Reads a stream to its end, unless it is closed before. */
  const read = async (url, own) => {
    const { signal } = own
    const response = await request(url, { signal }, { accept: 'text/event-stream' }).catch(() => undefined)
    if (source !== own) return
    if (response?.status !== 200 || !/^text\/event-stream *(;|$)/i.test(response.headers.get('content-type'))) {
      const text = response && (await summary(response).catch(() => undefined))
      if (source === own) notify(REFUSED, 0, text)
      return
    }
    const reader = response.body.getReader()
    for (;;) {
      const { value } = await reader.read().catch(() => ({}))
      if (source !== own) return
      if (!value) return notify(ERROR)
      notify(CHUNK, value.length, '', value)
    }
  }

  /** A closed source is silent by the standard; a replacement of the global class may not be. */
  const listen = (verb) => {
    for (const name of FRAMES) source[verb + 'EventListener'](name, name === 'message' ? hear : control)
  }

  const browser = {
    /** The stream's current frame, its own or one that another tab passed on. */
    frame: {},

    /** Opens a stream. It never reconnects by itself, because it is closed at its first error. */
    open(url) {
      try {
        if (byFetch) {
          if (!streams()) throw new TypeError('this browser cannot read a body before it ends')
          source = new AbortController()
          read(url, source).catch(broken)
          return
        }
        source = new EventSource(url, { withCredentials })
        listen('add')
      } catch (error) {
        // The browser has no EventSource, or it does not accept the URL.
        notify(UNSUPPORTED, 0, error?.message, error)
      }
    },

    close() {
      if (byFetch) source?.abort()
      else if (source) {
        source.close()
        listen('remove')
      }
      source = undefined
    },

    hold(data) {
      browser.frame = { type: 'message', data: decoded(data) }
    },

    relayed(lastEventId, call) {
      const { type, data } = browser.frame
      if (type === 'message') hear({ type, data, lastEventId })
      else control({ type, data, lastEventId, call })
    },

    dispatch(...message) {
      const [type, data, lastEventId] = message.map(decoded)
      if (type === 'message') hear({ type, data, lastEventId })
      else if (FRAMES.includes(type)) control({ type, data, lastEventId })
    },

    /** Sends a request to the server, or asks the application for a token; a request without a body is a GET. */
    send(whom, number, url, body) {
      ask(whom, url, body)
        .catch((error) => (whom === TOKEN ? lines({ detail: String(error) }, ANSWERED) : ''))
        .then((text) => notify(ANSWER, number, text))
        .catch(broken)
    },

    /** Sets the one timer to this moment; `Infinity` clears it. It may fire early, if the moment is weeks away. */
    arm(at) {
      clearTimeout(timer)
      if (at < Infinity) timer = setTimeout(tick, Math.min(Math.ceil(at - performance.now()), LONGEST_MS))
    },

    /**
     * Calls at the end of the microtask, or when the tabs have agreed on the device id, because no stream is opened
     * before.
     */
    flush() {
      if (!agreed) queueMicrotask(guarded(() => notify(FLUSH)))
    },

    /** Adds or removes the listeners for page events. Where there is no page (Node), it does nothing. */
    listen(on) {
      for (const name of [...WORLD, ...Object.keys(FREEZE_AS_PAGE)]) {
        const target = name === 'visibilitychange' || name in FREEZE_AS_PAGE ? globalThis.document : globalThis
        target?.[on ? 'addEventListener' : 'removeEventListener']?.(name, onPageEvent)
      }
    },

    remember(what, record, route) {
      routes(what, record).set(record.channel, route)
    },

    forget() {
      channels.clear()
      labels.clear()
      rooms.clear()
    },

    /** The time, on a clock that is never set back. */
    now: () => performance.now(),

    /** The seed of the core's random waits. */
    seed: () => crypto.getRandomValues(new BigUint64Array(1))[0],

    end() {
      browser.close()
      browser.arm(Infinity)
      browser.listen(false)
    },
  }
  agreed
    ?.then((id) => {
      agreed = undefined
      notify(FLUSH, 0, id)
    })
    .catch(broken)
  return browser
}

/**
 * Whether a URL has another origin than the page. Without a page, none has. Not `location.origin`, which a `srcdoc`
 * frame lacks.
 */
export function isElsewhere(url) {
  if (globalThis.origin === undefined) return false
  try {
    return new URL(url, globalThis.document?.baseURI ?? location.href).origin !== globalThis.origin
  } catch {
    return false
  }
}

/**
 * Reads a `Retry-After` header (RFC 9110 section 10.2.3): seconds, or a date, which is compared with the server's own
 * time only.
 */
function delay(header, now) {
  if (header === null) return undefined
  return /^\d+$/.test(header) ? header * 1000 : Math.max(Date.parse(header) - Date.parse(now), 0) || 0
}

const streams = () => 'body' in (globalThis.Response?.prototype ?? {})

/**
 * Whether streams are read with `fetch`. By default only in a browser, so that rendering on a server, which can stream
 * too, opens none.
 */
export const byFetch = (transport) =>
  transport === 'fetch' || (transport !== 'eventsource' && !!globalThis.EventSource && streams())

export const copy = (chunk, into) => into.set(chunk)

// ---- values for the core ----

/** A word of a list. A value that is not a text becomes one that cannot be a channel. */
const word = (value) => (typeof value === 'string' ? value.replace(/\s/g, '?') : '?')

/** A server's time, in milliseconds since 1970; `NaN` without one. */
export const time = (object) => Date.parse(object?.timestamp)

/**
 * A value of an object as a line for the core: a text, a number (with a plus, which no channel contains), a boolean
 * as 0 or 1, or a list of texts or of refusals.
 */
function line(value) {
  if (typeof value === 'string') return value.replace(/\n/g, ' ')
  if (Array.isArray(value)) return `[${value.map((one) => (one?.channel ? `${word(one.channel)} ${word(one.code)}` : word(one))).join(' ')}`
  return typeof value === 'number' || typeof value === 'boolean' ? `+${Math.trunc(Math.min(+value, Number.MAX_SAFE_INTEGER))}` : ''
}

/** The fields of an object, each on a line; an absent field is an empty line. */
const lines = (object, names) =>
  names
    .split(' ')
    .map((name) => line(object?.[name]))
    .join('\n')

/** The options of a client that are texts, numbers and booleans. An empty `since` is passed on as a malformed one. */
export const settings = ({ since, latencySample, onDebug, ...options }) =>
  lines(
    { ...options, ...options.reconnect, since: since === '' ? '?' : since, latency: latencySample * 2 ** 32, debugs: !!onDebug },
    SETTINGS,
  )
