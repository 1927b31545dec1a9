/** `examples/hub` as a process, and the calls of a backend to it. */
import { hubProgram } from './paths.ts'
import { Server } from './server.ts'

/** An event as `POST /publish` takes it. */
export interface Published {
  channel: string
  type?: string
  payload: unknown
  to?: { users: string[] } | { user: string; deviceId: string }
  except?: { userId: string; sessionId?: string; deviceId?: string }
}

export class Hub {
  private constructor(
    readonly server: Server,
    private readonly publishing: string,
  ) {}

  static async start(...options: string[]): Promise<Hub> {
    const publishing = options.includes('--jwt') ? '/backend/publish' : '/api/events/publish'
    return new Hub(await Server.start(hubProgram(), options), publishing)
  }

  /** Publishes. Resolves with the cursors when the hub has acknowledged. */
  async publish(...events: Published[]): Promise<string[]> {
    const answer = await fetch(this.server.url + this.publishing, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(events.map((event) => ({ type: 'test', ...event }))),
    })
    if (!answer.ok) throw new Error(`publishing: ${answer.status} ${await answer.text()}`)
    const receipts = (await answer.json()) as { cursor: string }[]
    return receipts.map(({ cursor }) => cursor)
  }

  /** Subscribes a user to channels from the server's side, or ends that. For a hub with `--jwt`. */
  async command(what: 'give' | 'take', user: string, channels: string): Promise<void> {
    const answer = await fetch(`${this.server.url}/backend/${what}/${user}/${channels}`, { method: 'POST' })
    if (!answer.ok) throw new Error(`${what}: ${answer.status} ${await answer.text()}`)
  }

  /** How many streams the hub holds, by its own count. */
  get streams(): number {
    return Number(/connections=(\d+)/.exec(this.logged('connection ', 'connections=').at(-1) ?? '')?.[1])
  }

  /** The lines of its log that contain all these words. */
  logged(...words: string[]): string[] {
    return this.server.log.filter((line) => words.every((word) => line.includes(word)))
  }
}
