/** `examples/apps` as a process with databases of its own, and its API for a client without a page. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { appsProgram, examples } from './paths.ts'
import { Server } from './server.ts'

export class Apps {
  private constructor(
    readonly server: Server,
    private readonly folder: string,
  ) {}

  static async start(...options: string[]): Promise<Apps> {
    const folder = await mkdtemp(join(tmpdir(), 'tidings-apps-'))
    return new Apps(await run(folder, options), folder)
  }

  /**
   * Has another process change the databases, as it might while this one is down. The process has ended when this
   * resolves.
   */
  async elsewhere(change: (api: Api) => Promise<unknown>, user = 'ana'): Promise<void> {
    const other = await run(this.folder, [])
    try {
      await change(await Api.login(other.url, user))
    } finally {
      await other.kill()
    }
  }

  /** Deletes the hub's log while the server is down. */
  async loseLog(): Promise<void> {
    for (const suffix of ['', '-wal', '-shm', '-lock']) await rm(join(this.folder, `events.db${suffix}`), { force: true })
  }

  async end(): Promise<void> {
    await this.server.kill()
    await rm(this.folder, { recursive: true })
  }
}

const run = (folder: string, options: string[]): Promise<Server> =>
  Server.start(appsProgram(), ['--data', folder, '--examples', examples(), ...options])

/** A user's session without a page. */
export class Api {
  private constructor(
    private readonly url: string,
    private readonly cookie: string,
  ) {}

  static async login(url: string, user: string): Promise<Api> {
    const answer = await ask(`${url}/a/api/login`, 'POST', { user })
    return new Api(url, answer.headers.getSetCookie()[0]?.split(';')[0] ?? '')
  }

  post<T = any>(path: string, body: object = {}, headers: Record<string, string> = {}): Promise<T> {
    return this.send('POST', path, body, headers)
  }

  get<T = any>(path: string): Promise<T> {
    return this.send('GET', path)
  }

  async send<T = any>(method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<T> {
    const answer = await ask(`${this.url}/a/api${path}`, method, body, { Cookie: this.cookie, ...headers })
    const text = await answer.text()
    return (text ? JSON.parse(text) : undefined) as T
  }
}

async function ask(url: string, method: string, body?: object, headers: Record<string, string> = {}): Promise<Response> {
  const json = body ? { 'Content-Type': 'application/json' } : {}
  const answer = await fetch(url, { method, headers: { ...json, ...headers }, ...(body ? { body: JSON.stringify(body) } : {}) })
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`)
  return answer
}
