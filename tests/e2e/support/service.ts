/** A server that is not ours: on a port that was free, in a process group of its own, which ends as one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect } from '@playwright/test'

/** What every program here is started with: no questions, no reports home, no colours. */
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
  /** Defaults to one that is free. */
  port?: string
  /** What it answers well once it is ready; defaults to `/`. */
  ready?: string
}

export class Service {
  private constructor(
    private readonly process: ChildProcess,
    readonly url: string,
  ) {}

  /** Starts it; resolves when it answers. `PORT` in an argument stands for its port, which is in its environment too. */
  static async start(cwd: string, program: string, args: string[], options: Options = {}): Promise<Service> {
    const { env, port = await freePort(), ready = '/' } = options
    const child = spawn(program, args.map((arg) => arg.replace('PORT', port)), {
      cwd,
      env: { ...environment, HOST: '127.0.0.1', PORT: port, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group, because servers of frameworks start servers.
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

/** Not every server can be told to take any port and say which. */
export async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return String(port)
}
