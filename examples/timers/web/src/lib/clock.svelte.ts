/** An estimate of the server's clock, because this device's own clock may be minutes off. */
class Clock {
  #offset = 0
  /** Milliseconds since 1970 by the server's clock, updated four times a second. */
  now = $state(Date.now())

  constructor() {
    setInterval(() => this.#tick(), 250)
  }

  /** Assumes that half of the request's duration has passed since the server read its clock. */
  correct(serverNow: number, askedAt: number): void {
    this.#offset = serverNow - (askedAt + Date.now()) / 2
    this.#tick()
  }

  #tick(): void {
    this.now = Date.now() + this.#offset
  }
}

export const clock = new Clock()
