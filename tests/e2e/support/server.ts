/** A server of this repository as a real process: ended by its id, restarted on the same port. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export class Server {
  /** Its log without colours, over all its restarts. */
  readonly log: string[] = []
  #process: ChildProcess | undefined
  #url = ''

  private constructor(
    private readonly program: string,
    private readonly options: readonly string[],
  ) {}

  /** Starts the server on a free port. Resolves when it accepts connections. */
  static async start(program: string, options: readonly string[]): Promise<Server> {
    const server = new Server(program, options)
    await server.#run('127.0.0.1:0')
    return server
  }

  /** `http://127.0.0.1:PORT`, the same after a restart. */
  get url(): string {
    return this.#url
  }

  /** Ends the server, by default as a crash would. Resolves when it has ended. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const running = this.#process
    if (!running) return
    this.#process = undefined
    const gone = once(running, 'exit')
    running.kill(signal)
    await gone
  }

  /** Restarts the server on the same port. */
  async restart(): Promise<void> {
    await this.#run(new URL(this.#url).host)
  }

  async #run(listen: string): Promise<void> {
    const running = spawn(this.program, ['--listen', listen, ...this.options], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, RUST_LOG: 'tidings=debug', NO_COLOR: '1' },
    })
    this.#process = running
    createInterface(running.stderr).on('line', (line) => this.log.push(line))
    this.#url = await new Promise<string>((resolve, reject) => {
      running.once('error', reject)
      running.once('exit', (code) => reject(new Error(`${this.program} ended with ${code}:\n${this.log.join('\n')}`)))
      createInterface(running.stdout).on('line', (line) => {
        const [, url] = /^listening on (http:\/\/\S+)$/.exec(line) ?? []
        if (url) resolve(url)
      })
    })
  }
}
