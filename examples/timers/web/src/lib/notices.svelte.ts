import { ApiError } from './api'

const GAP_SHOWN_MS = 8_000

/** What the page tells its user beside the timer itself. */
class Notices {
  /** What happened last, and when by this device's clock. */
  activity = $state.raw<{ text: string; at: number }>()
  /** Why the last action failed. */
  problem = $state('')
  /** Events may have been missed, and everything was asked for anew. */
  gap = $state(false)
  #hideGap: ReturnType<typeof setTimeout> | undefined

  tell(text: string): void {
    this.activity = { text, at: Date.now() }
  }

  showGap(): void {
    this.gap = true
    clearTimeout(this.#hideGap)
    this.#hideGap = setTimeout(() => (this.gap = false), GAP_SHOWN_MS)
  }

  /** Does something and shows why it failed, if it did. Whether it worked. */
  async attempt(action: () => Promise<unknown>): Promise<boolean> {
    try {
      await action()
      this.problem = ''
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      // Without a session there is only the login to show, which says why.
      this.problem = error.status === 401 ? '' : error.message
      return false
    }
  }

  forget(): void {
    this.activity = undefined
    this.problem = ''
    this.gap = false
  }
}

export const notices = new Notices()
