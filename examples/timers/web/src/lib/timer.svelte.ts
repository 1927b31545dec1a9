import { call } from 'examples-web'
import type { Mode, Timer, TimerSnapshot, TimerState } from './channels'
import { clock } from './clock.svelte'

/**
 * The user's timer. It is learnt in three ways that may overtake each other (asked for, answered to a change, told by an
 * event), so an older state never replaces a newer one.
 */
class TimerStore {
  /** `undefined` until it is known. */
  current = $state.raw<Timer | null>()
  #revision = -1

  /** An event. Whether it was news. */
  hear(state: TimerState): boolean {
    if (state.revision <= this.#revision) return false
    this.#take(state)
    return true
  }

  async load(): Promise<void> {
    await this.#ask('/timer')
  }

  async start(title: string, mode: Mode, plannedMinutes: number | null): Promise<void> {
    await this.#ask('/timers/start', { title, mode, plannedMinutes })
  }

  async stop(): Promise<void> {
    await this.#ask('/timers/stop', {})
  }

  async moveTo(deviceId: string): Promise<void> {
    await this.#ask('/timers/move', { deviceId })
  }

  /** The revision says which phase is meant to end: if another device was faster, this one does not skip the next. */
  async nextPhase(): Promise<void> {
    await this.#ask('/timers/phase', { revision: this.#revision })
  }

  /** After a gap what is known here proves nothing, not even by its revision: the server may have begun anew. */
  distrust(): void {
    this.#revision = -1
  }

  forget(): void {
    this.distrust()
    this.current = undefined
  }

  async #ask(path: string, body?: object): Promise<void> {
    const askedAt = Date.now()
    const snapshot = await call<TimerSnapshot>(path, body ? { body } : {})
    clock.correct(snapshot.serverNow, askedAt)
    if (snapshot.revision >= this.#revision) this.#take(snapshot)
  }

  #take(state: TimerState): void {
    this.#revision = state.revision
    this.current = state.timer
  }
}

export const timer = new TimerStore()
