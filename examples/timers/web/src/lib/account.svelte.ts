import { ApiError, call, session } from './api'
import { live } from './live'

/** Who is logged in. */
class Account {
  /** `undefined` until the server was asked, `null` when nobody is. */
  user = $state<string | null>()
  /** Why the login is shown to somebody who did not ask for it. */
  ended = $state(false)

  constructor() {
    session.lost = () => void this.check()
  }

  /** Asks who we are: at the start, and when the session may have ended. */
  async check(): Promise<void> {
    try {
      const { user } = await call<{ user: string }>('/me')
      this.#enter(user)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status === 401) this.#leave(this.user != null)
      // Not reachable: whoever was in stays in. At the start, the page waits for the next attempt.
      else if (this.user === undefined) setTimeout(() => void this.check(), 2_000)
    }
  }

  async login(name: string): Promise<void> {
    const { user } = await call<{ user: string }>('/login', { user: name })
    this.#enter(user)
  }

  async logout(): Promise<void> {
    await call('/logout', {})
    this.#leave(false)
  }

  #enter(user: string): void {
    if (this.user === user) return
    void live.load()
    this.user = user
    this.ended = false
  }

  #leave(unasked: boolean): void {
    this.user = null
    this.ended = unasked
    live.end()
  }
}

export const account = new Account()
