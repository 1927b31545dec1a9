import { call } from 'examples-web'
import type { Mode, Timer, TimerSnapshot, TimerState } from './channels'
import { clock } from './clock.svelte'

/**
 * The user's timer. Its state arrives in three ways that may overtake each other (a fetch, an answer to a change, an
 * event), so an older state never replaces a newer one.
 */
class TimerStore {
  /** `undefined` until it is known. */
  current = $state.raw<Timer | null>()
  #revision = -1

  /** Applies an event. Returns whether it was news. */
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

  /** The revision says which phase should end: if another device was faster, this one does not skip the next phase. */
  async nextPhase(): Promise<void> {
    await this.#ask('/timers/phase', { revision: this.#revision })
  }

  /** After a gap the known state proves nothing, not even by its revision, because the server may have started over. */
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
