/** Debian's WebKit, driven by W3C WebDriver: no library that the house has speaks to it. */
import { Service } from './service.ts'
import { workshop } from './pack.ts'

/** Starts the driver, with a screen that nobody sees: this WebKit needs one. */
export const startWebKitDriver = (): Promise<Service> =>
  Service.start(workshop, 'xvfb-run', ['--auto-servernum', 'WebKitWebDriver', '--host=127.0.0.1', '--port=PORT'], { ready: '/status' })

/** One window. */
export class WebKit {
  private constructor(
    private readonly session: string,
    /** Name and version, as the driver says. */
    readonly version: string,
  ) {}

  static async open(driver: string): Promise<WebKit> {
    interface Session {
      sessionId: string
      capabilities: { browserName: string; browserVersion: string }
    }
    const { sessionId, capabilities } = await ask<Session>(`${driver}/session`, 'POST', { capabilities: {} })
    return new WebKit(`${driver}/session/${sessionId}`, `${capabilities.browserName} ${capabilities.browserVersion}`)
  }

  async goto(url: string): Promise<void> {
    await ask(`${this.session}/url`, 'POST', { url })
  }

  /** Runs the body of a function in the page. */
  evaluate<T>(script: string): Promise<T> {
    return ask<T>(`${this.session}/execute/sync`, 'POST', { script, args: [] })
  }

  async close(): Promise<void> {
    await ask(this.session, 'DELETE')
  }
}

async function ask<T>(url: string, method: string, body?: object): Promise<T> {
  const answer = await fetch(url, { method, ...(body && { body: JSON.stringify(body) }) })
  const { value } = (await answer.json()) as { value: T & { message?: string } }
  if (!answer.ok) throw new Error(`WebDriver: ${value.message}`)
  return value
}
