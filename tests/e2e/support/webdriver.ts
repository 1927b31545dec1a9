/**
 * A browser driven by W3C WebDriver, for browsers that Playwright cannot drive unmodified: the distribution's Firefox
 * and WebKit. It is written by hand, because it takes no more than this file.
 */

/** A browser of its own, with a profile of its own. */
export class WebDriver {
  /** The request in progress: a driver handles one tab at a time. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(
    private readonly session: string,
    /** The browser's name and version, as the driver reports them. */
    readonly version: string,
  ) {}

  static async open(driver: string, capabilities: object = {}): Promise<WebDriver> {
    interface Session {
      sessionId: string
      capabilities: { browserName: string; browserVersion: string }
    }
    const asked = { capabilities: { alwaysMatch: capabilities } }
    const made = await ask<Session>(`${driver}/session`, 'POST', asked)
    const { browserName, browserVersion } = made.capabilities
    return new WebDriver(`${driver}/session/${made.sessionId}`, `${browserName} ${browserVersion}`)
  }

  /** The tab that the browser started with. */
  async firstTab(): Promise<Tab> {
    return new Tab(this, await this.ask<string>('GET', 'window'))
  }

  /** Opens another, empty tab. */
  async newTab(): Promise<Tab> {
    const { handle } = await this.ask<{ handle: string }>('POST', 'window/new', { type: 'tab' })
    return new Tab(this, handle)
  }

  async close(): Promise<void> {
    await ask(this.session, 'DELETE')
  }

  /** Sends a request about one tab, or about the browser. */
  ask<T>(method: string, command: string, body?: object, tab?: string): Promise<T> {
    const asked = this.#turn.then(async () => {
      if (tab !== undefined) await ask(`${this.session}/window`, 'POST', { handle: tab })
      return ask<T>(`${this.session}/${command}`, method, body)
    })
    this.#turn = asked.catch(() => {})
    return asked
  }
}

/** One tab. */
export class Tab {
  constructor(
    private readonly browser: WebDriver,
    private readonly handle: string,
  ) {}

  async goto(url: string): Promise<void> {
    await this.#ask('POST', 'url', { url })
  }

  async back(): Promise<void> {
    await this.#ask('POST', 'back', {})
  }

  async close(): Promise<void> {
    await this.#ask('DELETE', 'window')
  }

  /** Runs a function in the page, with these arguments only, and awaits its result. */
  evaluate<T, Given extends unknown[]>(run: (...given: Given) => T | Promise<T>, ...given: Given): Promise<T> {
    return this.#ask<T>('POST', 'execute/sync', { script: `return (${String(run)})(...arguments)`, args: given })
  }

  /** Runs a function as the page's own code. (Firefox evaluates a driver's scripts with separate globals.) */
  async inject(run: () => void): Promise<void> {
    await this.evaluate((text) => {
      document.head.append(Object.assign(document.createElement('script'), { textContent: text }))
    }, `(${String(run)})()`)
  }

  /** Chromium's own commands, which no standard defines. */
  async cdp(cmd: string, params: object): Promise<void> {
    await this.#ask('POST', 'goog/cdp/execute', { cmd, params })
  }

  #ask<T>(method: string, command: string, body?: object): Promise<T> {
    return this.browser.ask<T>(method, command, body, this.handle)
  }
}

async function ask<T>(url: string, method: string, body?: object): Promise<T> {
  const answer = await fetch(url, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  })
  const { value } = (await answer.json()) as { value: T & { message?: string } }
  if (!answer.ok) throw new Error(`WebDriver: ${value.message}`)
  return value
}
