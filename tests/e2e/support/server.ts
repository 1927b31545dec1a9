/** A server of ours as a real process: ended by its id, started again on the same port. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export class Server {
  /** What it logged, colourless, over all its lives. */
  readonly log: string[] = []
  #process: ChildProcess | undefined
  #url = ''

  private constructor(
    private readonly program: string,
    private readonly options: readonly string[],
  ) {}

  /** Starts it on a port of its own; resolves when it accepts connections. */
  static async start(program: string, options: readonly string[]): Promise<Server> {
    const server = new Server(program, options)
    await server.#run('127.0.0.1:0')
    return server
  }

  /** `http://127.0.0.1:PORT`: the same after a restart. */
  get url(): string {
    return this.#url
  }

  /** Ends it as a crash would, unless told otherwise; resolves when it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const running = this.#process
    if (!running) return
    this.#process = undefined
    const gone = once(running, 'exit')
    running.kill(signal)
    await gone
  }

  /** Starts it again where it was. */
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
