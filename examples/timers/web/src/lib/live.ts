import { attempt } from 'examples-web'
import type { EventOn } from 'tidings'
import type { Channels } from './channels'
import { calendar } from './calendar.svelte'
import { devices } from './devices.svelte'
import { PHASES } from './format'
import { notices } from './notices.svelte'
import { tidings } from './tidings'
import { timer } from './timer.svelte'

/** Applies what the client receives. Its subscriptions are in `components/Live.svelte`. */
class Live {
  /** The number of the latest call of `load`. */
  #load = 0

  constructor() {
    tidings.subscribeGap(() => this.#onGap())
  }

  /**
   * Fetches everything, again and again until it is answered: the shown data may be out of date, and no event would
   * report it. A later call replaces an earlier one.
   */
  async load(): Promise<void> {
    const mine = ++this.#load
    for (let waitMs = 1_000; mine === this.#load; waitMs = Math.min(2 * waitMs, 16_000)) {
      if (await attempt(() => Promise.all([calendar.load(), devices.load(), timer.load()]))) return
      await new Promise((over) => setTimeout(over, waitMs))
    }
  }

  end(): void {
    this.#load++
    timer.forget()
    devices.forget()
    calendar.forget()
    notices.forget()
  }

  #onGap(): void {
    timer.distrust()
    void this.load()
  }

  onTimer({ type, payload, source }: EventOn<Channels, 'timer'>): void {
    if (!timer.hear(payload)) return
    const by = source?.deviceId === devices.hereId ? 'in another tab' : `on ${devices.nameOf(source?.deviceId)}`
    const { phase, deviceId } = payload.timer ?? {}
    if (type === 'started') notices.tell(`Started ${by}`)
    if (type === 'stopped') notices.tell(`Stopped ${by}`)
    if (type === 'moved') notices.tell(`Moved to ${deviceId === devices.hereId ? 'this device' : devices.nameOf(deviceId)}`)
    if (type === 'updated' && phase) notices.tell(`${PHASES[phase.kind]} began ${by}`)
  }
}

export const live = new Live()
