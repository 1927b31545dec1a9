/** The server's clock, as well as it can be known here: this device's own may be minutes off. */
class Clock {
  #offset = 0
  /** Milliseconds since 1970 by the server, four times a second. */
  now = $state(Date.now())

  constructor() {
    setInterval(() => this.#tick(), 250)
  }

  /** Half the time that the request took is assumed to have passed since the server looked at its clock. */
  correct(serverNow: number, askedAt: number): void {
    this.#offset = serverNow - (askedAt + Date.now()) / 2
    this.#tick()
  }

  #tick(): void {
    this.now = Date.now() + this.#offset
  }
}

export const clock = new Clock()
