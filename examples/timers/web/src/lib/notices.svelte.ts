/** Messages to the user beside the timer itself. */
class Notices {
  /** The last change, and its time by this device's clock. */
  activity = $state.raw<{ text: string; at: number }>()

  tell(text: string): void {
    this.activity = { text, at: Date.now() }
  }

  forget(): void {
    this.activity = undefined
  }
}

export const notices = new Notices()
