// The application in a page: one client, and handlers that do what the world says. It reports everything that it
// receives to the world.

export class Application {
  #client
  #methods
  #note
  #handlers = new Map()
  #configure
  #options

  constructor({ package: { Tidings, configureTidings, getTidings } }, { asApp, token, ...options }, note) {
    this.#note = note
    const told = {
      onState: (state, { attempt, nextRetryMs, connectionId, lastError }) =>
        note('state', { state, attempt, nextRetryMs, connectionId, code: lastError?.code }),
      onGap: (channels, reason, addressed) => note('gap', { channels, reason, addressed }),
      onError: ({ code, willRetry = false, channel, message }) => note('error', { code, willRetry, channel, text: message }),
    }
    this.#options = () => ({ ...options, ...told, ...(token && { token: async () => token }) })
    this.#configure = configureTidings
    try {
      if (asApp) configureTidings(this.#options())
      const client = (this.#client = asApp ? getTidings() : new Tidings(this.#options()))
      // The methods are detached from the client, as many applications do.
      const { subscribe, on, connect, disconnect, reset, headers, preload, fetch } = client
      this.#methods = { subscribe, on, connect, disconnect, reset, headers, preload, fetch }
      this.#identity()
    } catch (error) {
      this.#threw('new Tidings()', error)
    }
  }

  #identity() {
    this.#note('identity', { sessionId: this.#client.sessionId })
  }

  #threw(what, error) {
    this.#note('threw', { what, text: String(error?.stack ?? error) })
  }

  call({ method, ...given }) {
    try {
      this[method](given)
    } catch (error) {
      this.#threw(method, error)
    }
  }

  subscribe({ handler, channel, since, acts }) {
    const onGap = (channels, reason, addressed) => this.#note('handlerGap', { handler, channels, reason, addressed })
    const onRevoked = (code) => this.#note('revoked', { handler, code })
    const stop = this.#methods.subscribe(channel, this.#heard(handler, acts), { since: since ?? undefined, onGap, onRevoked, ...this.#ready(handler) })
    this.#keep(handler, stop)
  }

  on({ handler, channel, acts }) {
    this.#keep(handler, this.#methods.on(channel, this.#heard(handler, acts), this.#ready(handler)))
  }

  #ready(handler) {
    return { onReady: () => this.#note('ready', { handler }) }
  }

  #keep(handler, stop) {
    this.#handlers.set(handler, stop)
    stop.ready.catch(({ code }) => this.#note('notReady', { handler, code }))
  }

  /** A handler. `acts` says which action it takes at which of its events. */
  #heard(handler, acts = []) {
    let count = 0
    return ({ channel, cursor, to, payload }) => {
      this.#note('event', { handler, channel, cursor, to, n: payload?.n ?? -1, p: payload?.p?.[1] ?? '' })
      count++
      for (const [at, act] of acts) {
        if (at !== count) continue
        this.#note('acts', { handler, act })
        if (act === 'throw') throw new Error('a handler threw')
        if (act === 'stop') this.stop({ handler })
        else this[act]({})
      }
    }
  }

  stop({ handler }) {
    const stop = this.#handlers.get(handler)
    this.#handlers.delete(handler)
    if (!stop) return
    this.#note('stopped', { handler })
    stop()
  }

  /** Both changes happen at once, so that their calls to the server are in flight together. */
  swap({ stops, ...begins }) {
    this.subscribe(begins)
    this.stop({ handler: stops })
  }

  connect() {
    this.#methods.connect()
  }

  disconnect() {
    this.#methods.disconnect()
  }

  reset() {
    this.#note('reset')
    this.#handlers.clear()
    this.#methods.reset()
    this.#identity()
  }

  headers() {
    this.#methods.headers()
  }

  preload() {
    void this.#methods.preload()
  }

  /** A request of the application's own, which names its tab. */
  fetch() {
    this.#methods.fetch('/own', { method: 'POST' }).catch(() => {})
  }

  /** A development server replaces the module that configures the client. */
  configure() {
    this.#configure(this.#options())
  }
}
