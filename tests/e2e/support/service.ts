/** A server of another project, on a free port, in a process group of its own that is ended as a whole. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect } from '@playwright/test'

/** The environment of every program here: no questions, no telemetry, no colours. */
export const environment = {
  ...process.env,
  CI: 'true',
  NEXT_TELEMETRY_DISABLED: '1',
  NO_COLOR: '1',
  FORCE_COLOR: undefined,
  NUXT_TELEMETRY_DISABLED: '1',
}

interface Options {
  env?: Record<string, string>
  /** Defaults to a free port. */
  port?: string
  /** The path that answers with success once the server is ready; defaults to `/`. */
  ready?: string
}

export class Service {
  private constructor(
    private readonly process: ChildProcess,
    readonly url: string,
  ) {}

  /**
   * Starts the server. Resolves when it answers. `PORT` in an argument stands for its port, which is in its environment
   * too.
   */
  static async start(cwd: string, program: string, args: string[], options: Options = {}): Promise<Service> {
    const { env, port = await freePort(), ready = '/' } = options
    const child = spawn(program, args.map((arg) => arg.replace('PORT', port)), {
      cwd,
      env: { ...environment, HOST: '127.0.0.1', PORT: port, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group, because the servers of frameworks start further servers.
      detached: true,
    })
    let said = ''
    let ended = false
    for (const output of [child.stdout, child.stderr]) output.on('data', (text: Buffer) => (said += text))
    child.on('error', (error) => (said += error))
    child.on('close', () => (ended = true))
    const service = new Service(child, `http://127.0.0.1:${port}`)
    const answers = (): Promise<boolean> => fetch(service.url + ready).then((answer) => answer.ok, () => false)
    try {
      await expect.poll(async () => ended || (await answers()), { timeout: 180_000, message: `${program} answers` }).toBe(true)
      expect(ended, `${program} ended:\n${said}`).toBe(false)
    } catch (error) {
      await service.end()
      throw new Error(`${String(error)}\n${said}`)
    }
    return service
  }

  async end(): Promise<void> {
    const { pid, exitCode, signalCode } = this.process
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    const gone = once(this.process, 'exit')
    process.kill(-pid, 'SIGKILL')
    await gone
  }
}

/** A free port, because not every server can choose a port itself and report it. */
export async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return String(port)
}
