/** What the page tells its user beside the timer itself. */
class Notices {
  /** What happened last, and when by this device's clock. */
  activity = $state.raw<{ text: string; at: number }>()

  tell(text: string): void {
    this.activity = { text, at: Date.now() }
  }

  forget(): void {
    this.activity = undefined
  }
}

export const notices = new Notices()
