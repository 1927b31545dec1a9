import { configureTidings, getTidings, type ConnectionSnapshot, type TidingsEvent } from 'tidings'
import { abandonRequests, session, type Device, type TimerState } from './api'
import { devices } from './devices.svelte'
import { PHASES } from './format'
import { notices } from './notices.svelte'
import { timer } from './timer.svelte'

/** The connection as the page shows it, and what is done with what it brings. */
class Live {
  connection = $state.raw<ConnectionSnapshot>({ state: 'idle', attempt: 0 })
  /** While waiting: when the next attempt is made, by this device's clock. */
  retryAt = $state(0)

  constructor() {
    configureTidings({
      url: '/api/events',
      onGap: () => void this.#caughtUp(),
      onError: (error) => {
        if (error.status === 401) session.lost()
      },
    })
    getTidings().subscribeState(() => {
      this.connection = getTidings().getSnapshot()
      this.retryAt = Date.now() + (this.connection.nextRetryMs ?? 0)
    })
  }

  /** Listens, which connects. What changed before the stream was open is asked for once it is. */
  begin(): void {
    const tidings = getTidings()
    tidings.on<Device>('devices', (event) => devices.hear(event.payload))
    tidings.on('session', () => session.lost())
    const { ready } = tidings.on<TimerState>('timer', (event) => this.#onTimer(event))
    ready.then(
      () => this.load(),
      () => {}, // told by onError, or ended by us
    )
  }

  /** Asks for everything. A failure is shown, not thrown: the next connection or gap asks again. */
  async load(): Promise<void> {
    await notices.attempt(() => Promise.all([devices.load(), timer.load()]))
  }

  end(): void {
    getTidings().reset()
    abandonRequests()
    timer.forget()
    devices.forget()
    notices.forget()
  }

  async #caughtUp(): Promise<void> {
    timer.distrust()
    await this.load()
    notices.showGap()
  }

  #onTimer({ type, payload, source }: TidingsEvent<TimerState>): void {
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
