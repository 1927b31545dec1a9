import { attempt, call } from 'examples-web'
import type { CalendarEvent, Entry } from './channels'

/** The user's calendar: the fetched entries, updated by events and answers. */
class Calendar {
  #entries = $state.raw<Entry[]>([])
  all = $derived([...this.#entries].sort((a, b) => a.startsAt - b.startsAt || a.id - b.id))
  /** Counts updates; entries fetched before the latest update may be older. */
  #heard = 0

  hear({ type, payload }: CalendarEvent): void {
    this.#heard++
    const others = this.#entries.filter(({ id }) => id !== payload.id)
    this.#entries = type === 'event_deleted' ? others : [...others, payload]
  }

  async load(): Promise<void> {
    let heard: number
    do {
      heard = this.#heard
      const entries = await call<Entry[]>('/calendar')
      if (heard === this.#heard) this.#entries = entries
    } while (heard !== this.#heard)
  }

  create(title: string, startsAt: number): Promise<boolean> {
    const body = { title, startsAt }
    return attempt(async () => this.hear({ type: 'event_created', payload: await call('/calendar', { body }) }))
  }

  update({ id, ...body }: Entry): Promise<boolean> {
    const put = { method: 'PUT', body }
    return attempt(async () => this.hear({ type: 'event_updated', payload: await call(`/calendar/${id}`, put) }))
  }

  remove({ id }: Entry): Promise<boolean> {
    const remove = { method: 'DELETE' }
    return attempt(async () => this.hear({ type: 'event_deleted', payload: await call(`/calendar/${id}`, remove) }))
  }

  forget(): void {
    this.#heard++
    this.#entries = []
  }
}

export const calendar = new Calendar()
