/**
 * A proxy between browser and server, which records every request and can do to streams what networks do. It also
 * serves the test page and the built package, so that they have the server's origin.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { packageFiles } from './paths.ts'
import { Stream } from './stream.ts'

/** The paths of streams: the hub's own, and those of the example apps. */
const streams = /^(\/[ab])?\/api\/(tables\/)?events/
/** All that the server answers where the front itself serves the page. */
const calls = /^(\/[ab])?\/api\//
const site = join(import.meta.dirname, '../site')
const types: Record<string, string> = { css: 'text/css', html: 'text/html', js: 'text/javascript', wasm: 'application/wasm' }

/** A request that arrived. */
export interface Seen {
  method: string
  path: string
  query: URLSearchParams
  headers: http.IncomingHttpHeaders
  /** The time in milliseconds. */
  at: number
  /** Whether the front answered it in place of the server. */
  refused: boolean
}

/** A request that the front answers by itself. */
export interface Asked extends Seen {
  body: string
}

/** The answer in place of the server's. */
export interface Refusal {
  status: number
  code: string
  headers?: Record<string, string>
}

export class Front {
  readonly requests: Seen[] = []
  /** The last bytes that were forwarded on each stream that was cut. */
  readonly cuts: string[] = []
  /** Headers that are added to every answer. */
  headers: Record<string, string> = {}
  #refusal: Refusal | undefined
  #own = new Map<string, (asked: Asked) => number>()
  #held: { path: string; until: Promise<void> } | undefined
  #streams = new Set<Stream>()
  #piece: { bytes: number; times: number } | undefined
  #server = http.createServer((request, response) => void this.#answer(request, response))

  private constructor(
    private readonly upstream: string,
    private readonly page: string | false,
  ) {}

  /**
   * Stands before a server. Paths outside `/api/`, `/a/api/` and `/b/api/` come from `page`, a folder or another server; with `false`, from the
   * same server.
   */
  static async before(upstream: string, { page = site as string | false } = {}): Promise<Front> {
    const front = new Front(upstream, page)
    front.#server.listen(0, '127.0.0.1')
    await once(front.#server, 'listening')
    return front
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** How many streams are open. */
  get streams(): number {
    return this.#streams.size
  }

  /** The requests for one path; `/api/events` for streams. */
  seen(path: string): Seen[] {
    return this.requests.filter((request) => request.path === path)
  }

  /** Answers streams and all other calls in place of the server, until `accept`. */
  refuse(refusal: Refusal): void {
    this.#refusal = refusal
  }

  accept(): void {
    this.#refusal = undefined
  }

  /** Answers a path by itself, each request with a status and nothing else. */
  answer(path: string, status: (asked: Asked) => number): void {
    this.#own.set(path, status)
  }

  /** Cuts the streams that are open. */
  cut(): void {
    for (const stream of this.#streams) stream.cut()
  }

  /** Cuts each stream after about this many bytes, in the middle of a frame, up to this many streams in all. */
  cutEvery(bytes: number, times: number): void {
    this.#piece = { bytes, times }
  }

  /** Makes open streams half-open: nothing more arrives, and neither side is told. */
  freeze(): void {
    for (const stream of this.#streams) stream.freeze()
  }

  /** Delays the answers to a path. The returned function releases them. */
  hold(path: string): () => void {
    let release!: () => void
    this.#held = { path, until: new Promise((resolve) => (release = resolve)) }
    return release
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const { method = '', url = '/', headers } = request
    const { pathname, searchParams } = new URL(url, this.upstream)
    const refusal = streams.test(pathname) ? this.#refusal : undefined
    const refused = refusal !== undefined
    const seen = { method, path: pathname, query: searchParams, headers, at: performance.now(), refused }
    this.requests.push(seen)
    for (const [name, value] of Object.entries(this.headers)) response.setHeader(name, value)
    if (pathname === this.#held?.path) await this.#held.until
    const own = this.#own.get(pathname)
    if (refusal) this.#problem(refusal, response)
    else if (own) response.writeHead(own({ ...seen, body: await text(request) })).end()
    else if (!this.page || calls.test(pathname)) this.#forward(this.upstream, request, response)
    else if (this.page.startsWith('http:')) this.#forward(this.page, request, response)
    else this.#file(join(this.page, pathname === '/' ? 'index.html' : pathname), pathname, response)
  }

  #problem({ status, code, headers }: Refusal, response: http.ServerResponse): void {
    response.writeHead(status, { 'Content-Type': 'application/problem+json', ...headers })
    response.end(JSON.stringify({ type: 'about:blank', title: code, status, code }))
  }

  #file(ownFile: string, path: string, response: http.ServerResponse): void {
    const file = path.startsWith('/tidings/') ? join(packageFiles(), path.slice('/tidings/'.length)) : ownFile
    try {
      const body = readFileSync(file)
      response.writeHead(200, { 'Content-Type': types[file.split('.').at(-1) ?? ''] ?? 'text/plain' }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  }

  #forward(upstream: string, request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method, url, headers } = request
    const onward = http.request(new URL(url ?? '/', upstream), { method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      if (answer.headers['content-type']?.startsWith('text/event-stream')) this.#stream(answer, response)
      else answer.pipe(response)
    })
    // Whatever happens to the server, the browser sees a connection that breaks off.
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  }

  #stream(answer: http.IncomingMessage, response: http.ServerResponse): void {
    response.flushHeaders()
    const cut = (end: string): void => void this.cuts.push(end)
    const stream = new Stream(answer, response, cut)
    this.#streams.add(stream)
    response.on('close', () => this.#streams.delete(stream))
    if (this.#piece && this.#piece.times > 0) {
      this.#piece.times -= 1
      stream.cutAfter(this.#piece.bytes)
    }
  }
}
