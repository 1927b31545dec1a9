/** `examples/timers` as a process with a database of its own, and its API as a program without a page uses it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { timersProgram, timersWeb } from './paths.ts'
import { Server } from './server.ts'

export class Timers {
  private constructor(
    readonly server: Server,
    private readonly folder: string,
  ) {}

  static async start(): Promise<Timers> {
    const folder = await mkdtemp(join(tmpdir(), 'tidings-timers-'))
    return new Timers(await run(folder), folder)
  }

  /** Lets another process change the database, as it might while this one is dead; it is gone when this resolves. */
  async elsewhere(change: (api: Api) => Promise<void>): Promise<void> {
    const other = await run(this.folder)
    try {
      await change(await Api.login(other.url, 'ana'))
    } finally {
      await other.kill()
    }
  }

  async end(): Promise<void> {
    await this.server.kill()
    await rm(this.folder, { recursive: true })
  }
}

const run = (folder: string): Promise<Server> =>
  Server.start(timersProgram(), ['--database', join(folder, 'timers.db'), '--web', timersWeb()])

/** A user's session without a page. */
export class Api {
  private constructor(
    private readonly url: string,
    private readonly cookie: string,
  ) {}

  static async login(url: string, user: string): Promise<Api> {
    const answer = await post(`${url}/api/login`, { user })
    return new Api(url, answer.headers.getSetCookie()[0]?.split(';')[0] ?? '')
  }

  async post(path: string, body: object): Promise<void> {
    await post(`${this.url}/api${path}`, body, { Cookie: this.cookie })
  }
}

async function post(url: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  const init = { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) }
  const answer = await fetch(url, init)
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
  return answer
}
