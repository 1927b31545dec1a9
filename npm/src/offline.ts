/**
 * Mutations that survive being offline: they are kept in IndexedDB and sent in order when the server can be reached, in
 * the name of the user who made them and of nobody else, by one of all tabs.
 *
 * ```ts
 * import { Tidings } from 'tidings'
 * import { queueOffline } from 'tidings/offline'
 *
 * const tidings = new Tidings()
 * queueOffline(tidings, { onReject: ({ url }) => alert(`not saved: ${url}`) })
 * await tidings.fetch('/api/notes', { method: 'POST', body: '{}', offline: 'queue' })
 * ```
 *
 * The modules: `queue` declares what applications see, `mutations` is the storage, `check` asks the server who the user
 * is, and this file decides which mutation is sent when.
 *
 * @module
 */
import type { Tidings } from './client.ts'
import type { FetchResponse } from './platform.ts'
import { check, type Checked } from './check.ts'
import { TidingsError } from './errors.ts'
import { randomId } from '../../client-wasm/src/device.js'
import { Mutations, type Stored } from './mutations.ts'
import type { Mutation, OfflineOptions, OfflineQueue } from './queue.ts'
import { report } from './subscribable.ts'
import type { TidingsOptions } from './types.ts'

/** The header of the answer to a mutation that was kept instead of sent: its key. */
const QUEUED = 'X-Tidings-Queued'
const MAX_WAIT_MS = 30_000
const TIMEOUT_MS = 30_000

export type { Mutation, OfflineOptions, OfflineQueue, Rejection } from './queue.ts'

/** Whether an answer of `tidings.fetch` means that the mutation was kept, to be sent later. Its status is 202. */
export function isQueued(response: FetchResponse): boolean {
  return response.headers.has(QUEUED)
}

/**
 * The key of the mutation that was kept, with which `onFlush` and `onReject` name it; `undefined` for an answer of the
 * server.
 */
export function queuedKey(response: FetchResponse): string | undefined {
  return response.headers.get(QUEUED) ?? undefined
}

/**
 * Makes `tidings.fetch(…, { offline: 'queue' })` keep mutations that it cannot send, and sends those that were kept.
 * Call it once, where the app starts. Without IndexedDB, as on a server, it does nothing, and such a fetch is a plain
 * one.
 */
export function queueOffline(tidings: Tidings<any, any>, options: OfflineOptions = {}): OfflineQueue {
  if (typeof indexedDB === 'undefined') {
    const stop = tidings.sendBy(() => (request) => fetch(request))
    return { pending: async () => [], flush: async () => {}, discard: async () => {}, stop }
  }
  return new Queue(tidings, options)
}

/** A caller of `fetch` whose request makes its first attempt in this tab. */
interface Waiter {
  readonly request: Request
  /** The idempotency key. */
  readonly key: string
  resolve(response: Response): void
  reject(reason: unknown): void
}

/** The outcome of one attempt. */
type Attempt = Response | 'aborted' | 'unanswered'

class Queue implements OfflineQueue {
  readonly #tidings: Tidings<any, any>
  readonly #options: OfflineOptions
  /** The client's own options: the URL of its server, and the credentials. */
  #client: TidingsOptions = {}
  readonly #name: string
  readonly #mutations: Mutations
  readonly #waiters = new Map<number, Waiter>()
  readonly #ends: (() => void)[]
  /**
   * The user whom the server named last, and the session in which it did: `reset()` begins another session, whatever
   * the state.
   */
  #named: { readonly userId: string | null; readonly sessionId: string } | undefined
  #failures = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  /** The stream on which the server named the user. */
  #connectionId: string | undefined
  /** The pass that is under way, and whether another one has to follow. */
  #pass = Promise.resolve()
  #running = false
  #again = false
  #stopped = false
  /**
   * The storing of the latest mutation: mutations are stored in the order in which they were made, however long it
   * takes to read their bodies.
   */
  #kept: Promise<unknown> = Promise.resolve()

  constructor(tidings: Tidings<any, any>, options: OfflineOptions) {
    this.#tidings = tidings
    this.#options = options
    this.#name = options.name ?? 'tidings-offline'
    this.#mutations = new Mutations(this.#name)
    const onReturn = (): void => void this.flush()
    addEventListener('online', onReturn)
    const unfollow = tidings.subscribeState(() => this.#follow())
    const unsend = tidings.sendBy((client) => {
      this.#client = client
      return (request) => this.#send(request)
    })
    this.#ends = [unfollow, unsend, () => removeEventListener('online', onReturn)]
    this.#follow()
    void this.flush()
  }

  async pending(): Promise<Mutation[]> {
    return (await this.#mutations.all()).map(described)
  }

  flush(): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    clearTimeout(this.#timer)
    this.#again = true
    if (!this.#running) this.#pass = this.#run()
    return this.#pass
  }

  async discard(key: string): Promise<void> {
    for (const { id, ...mutation } of await this.#mutations.all()) {
      if (mutation.key === key) await this.#mutations.delete(id)
    }
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    for (const end of this.#ends) end()
    // The database is closed only then, because the result of a request that is under way has to be stored.
    void Promise.all([this.#pass, this.#kept]).then(() => this.#mutations.close())
  }

  /** Each stream reports which user the server sees. */
  #follow(): void {
    const { state, connectionId, userId } = this.#tidings
    if (state !== 'open' || connectionId === this.#connectionId) return
    this.#connectionId = connectionId
    this.#named = { userId: userId ?? null, sessionId: this.#tidings.sessionId }
    void this.flush()
  }

  async #send(request: Request): Promise<Response> {
    const { signal } = request
    if (signal.aborted) throw signal.reason
    const { sessionId } = this.#tidings
    // The user is determined now: another one may have logged in by the time the mutation is stored.
    const keeping = Promise.all([this.#who(), this.#kept]).then(async ([userId]) =>
      userId === undefined ? ('unknown' as const) : this.#keep(request, userId).catch(() => 'refused' as const),
    )
    this.#kept = keeping.catch(() => {})
    const kept = await keeping
    if (kept === 'unknown') {
      try {
        if (this.#tidings.sessionId !== sessionId) throw new Error('the user has logged out before the mutation was kept')
        return await fetch(request)
      } catch (cause) {
        throw new TidingsError('userUnknown', {
          detail: 'the mutation was neither sent nor kept, because its user is unknown: set the option `user`',
          remedy: 'give queueOffline() the option `user`',
          cause,
        })
      }
    }
    // Storage is refused or full.
    if (kept === 'refused') return fetch(request)
    const { id, key } = kept
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { request, key, resolve, reject })
      if (this.#stopped) return this.#letGo()
      const onAbort = (): void => {
        if (!this.#waiters.delete(id)) return
        reject(signal.reason)
        this.#mutations.delete(id).catch(report)
      }
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      void this.flush()
    })
  }

  /** The user who makes mutations now. */
  async #who(): Promise<string | null | undefined> {
    const { user } = this.#options
    if (user) return user()
    const { sessionId } = this.#tidings
    if (this.#named?.sessionId === sessionId) return this.#named.userId
    try {
      const { userId } = await this.#check()
      // A user who has logged in meanwhile did not make it.
      if (this.#tidings.sessionId !== sessionId) return undefined
      this.#named = { userId, sessionId }
      return userId
    } catch {
      return undefined
    }
  }

  #check(): Promise<Checked> {
    return check(this.#client, this.#options.timeoutMs ?? TIMEOUT_MS)
  }

  async #keep(request: Request, userId: string | null): Promise<{ id: number; key: string }> {
    const { url, method, credentials } = request
    const headers = [...request.headers]
    // Storage is no place for a token, and the token would soon expire.
    const kept = headers.filter(([name]) => name !== 'authorization')
    const key = newKey()
    const id = await this.#mutations.add({
      key,
      userId,
      madeAt: Date.now(),
      url,
      method,
      headers: kept,
      body: await request.clone().arrayBuffer(),
      credentials,
      authorized: kept.length < headers.length,
    })
    return { id, key }
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#again && !this.#stopped) {
      this.#again = false
      try {
        if (!navigator.onLine) this.#letGo()
        // Without Web Locks (an insecure page) two tabs may send one mutation; the server then recognises it by its
        // key.
        else if (navigator.locks) await navigator.locks.request(this.#name, () => this.#drain())
        else await this.#drain()
      } catch (error) {
        this.#letGo()
        if (!this.#stopped) report(error)
      }
    }
    this.#running = false
    if (this.#stopped) this.#letGo()
  }

  /** Sends the mutations that can be sent, in order. */
  async #drain(): Promise<void> {
    // These callers may wait for a mutation that is not stored any more, because another tab has sent it.
    const before = [...this.#waiters.keys()]
    const all = await this.#mutations.all()
    for (const id of before) if (!all.some((one) => one.id === id)) this.#answer(id, undefined)

    for (const mutation of all) {
      if (this.#stopped) return
      if (Date.now() - mutation.madeAt > (this.#options.maxAgeMs ?? 86_400_000)) {
        await this.#mutations.delete(mutation.id)
        this.#tell(() => this.#options.onReject?.(described(mutation), { reason: 'expired' }))
        continue
      }
      let checked: Checked
      try {
        // Checked for each mutation: the user may log out and in again in another tab between two of them.
        checked = await this.#check()
      } catch (error) {
        // No mutation can be sent until the user logs in; or the server did not answer.
        return this.#later(error instanceof TidingsError && error.status === 401 ? undefined : 0)
      }
      if (this.#stopped) return
      // The mutation was discarded, or its caller has aborted it, since all were read.
      if (!(await this.#mutations.has(mutation.id))) {
        this.#answer(mutation.id, undefined)
        continue
      }
      const waiter = this.#waiters.get(mutation.id)
      if (checked.userId !== mutation.userId) {
        this.#answer(mutation.id, undefined)
        continue
      }
      const attempt = await this.#attempt(mutation, checked, waiter)
      if (attempt === 'unanswered') return this.#later(0)
      if (attempt !== 'aborted') {
        if (isTransient(attempt.status)) return this.#later(retryAfterMs(attempt))
        // The token may have expired meanwhile, and a fresh one follows. Any other 401 is the address' own answer,
        // because the server has just named the user of the page.
        if (attempt.status === 401 && !waiter && mutation.authorized && checked.authorization !== undefined) return this.#later(0)
      }
      this.#failures = 0
      await this.#mutations.delete(mutation.id)
      if (attempt === 'aborted') continue
      if (waiter) this.#answer(mutation.id, attempt)
      else if (attempt.ok) this.#tell(() => this.#options.onFlush?.(described(mutation), attempt))
      else this.#tell(() => this.#options.onReject?.(described(mutation), { reason: 'refused', response: attempt }))
    }
  }

  async #attempt(mutation: Stored, checked: Checked, waiter: Waiter | undefined): Promise<Attempt> {
    const { url, method, credentials, body, key, authorized } = mutation
    const headers = new Headers(waiter ? waiter.request.headers : mutation.headers)
    if (authorized && checked.authorization !== undefined) headers.set('Authorization', checked.authorization)
    // A string of RFC 8941, as the IETF's draft of this header defines it.
    headers.set('Idempotency-Key', `"${key}"`)
    const stop = new AbortController()
    const timer = setTimeout(() => stop.abort(), this.#options.timeoutMs ?? TIMEOUT_MS)
    const signal = waiter?.request.signal
    const abort = (): void => stop.abort()
    signal?.addEventListener('abort', abort)
    try {
      if (signal?.aborted) throw signal.reason
      return await fetch(url, { method, headers, credentials, signal: stop.signal, ...(body.byteLength > 0 && { body }) })
    } catch {
      return signal?.aborted ? 'aborted' : 'unanswered'
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Tries again after at least this many milliseconds; with `undefined`, at the next event that may help. */
  #later(atLeastMs: number | undefined): void {
    this.#letGo()
    if (atLeastMs === undefined || this.#stopped) return
    const wait = Math.random() * Math.min(MAX_WAIT_MS, 1_000 * 2 ** this.#failures++)
    this.#timer = setTimeout(() => void this.flush(), Math.max(atLeastMs, wait))
  }

  /** Answers the callers that wait: their mutations are kept. */
  #letGo(): void {
    for (const id of [...this.#waiters.keys()]) this.#answer(id, undefined)
  }

  #answer(id: number, response: Response | undefined): void {
    const waiter = this.#waiters.get(id)
    waiter?.resolve(response ?? new Response(null, { status: 202, headers: { [QUEUED]: waiter.key } }))
    this.#waiters.delete(id)
  }

  #tell(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      report(error)
    }
  }
}

/** Whether a failure is temporary: the server did not refuse the request for its contents. */
function isTransient(status: number): boolean {
  return status >= 500 || [408, 425, 429].includes(status)
}

/** Not `crypto.randomUUID`, which exists only on secure pages (and in Safari since 15.4). */
function newKey(): string {
  return randomId().replace(/^(.{8})(.{4}).(.{3}).(.{3})/, '$1-$2-4$3-8$4-')
}

function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get('Retry-After'))
  return Number.isFinite(seconds) ? seconds * 1_000 : 0
}

function described({ key, userId, madeAt, url, method }: Stored): Mutation {
  return { key, userId, madeAt, url, method }
}
