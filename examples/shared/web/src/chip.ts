import type { ConnectionSnapshot, Tidings } from 'tidings'
import { element } from './dom.ts'

/** The connection's state, and "Try now" while it is broken. */
export function chip(tidings: Tidings<any>): HTMLElement {
  const text = element('span')
  const state = element('span', { className: 'chip', data: { testid: 'state' } }, element('span', { className: 'dot' }), text)
  // The countdown is visual only; a screen reader announces the state when it changes.
  const spoken = element('span', { className: 'hidden', role: 'status' })
  const retry = element('button', { type: 'button', className: 'button small', textContent: 'Try now', data: { testid: 'state-retry' } })
  retry.addEventListener('click', () => tidings.connect())
  const whole = element('div', { className: 'connection' }, state, spoken, retry)

  let retryAt = 0
  const show = (): void => {
    const snapshot = tidings.getSnapshot()
    state.dataset.state = snapshot.state
    const broken = snapshot.state === 'waiting' || snapshot.state === 'closed'
    whole.classList.toggle('broken', broken)
    retry.hidden = !broken
    text.textContent = wording(snapshot, retryAt)
    const said = snapshot.state === 'waiting' ? 'Reconnecting' : text.textContent
    if (spoken.textContent !== said) spoken.textContent = said
  }
  const changed = (): void => {
    retryAt = Date.now() + (tidings.getSnapshot().nextRetryMs ?? 0)
    show()
  }
  const unsubscribe = tidings.subscribeState(changed)
  const ticking = setInterval(() => {
    if (whole.isConnected) return show()
    unsubscribe()
    clearInterval(ticking)
  }, 500)
  changed()
  return whole
}

function wording({ state, attempt }: ConnectionSnapshot, retryAt: number): string {
  if (state === 'open') return 'Live'
  if (state === 'waiting') return `Reconnecting in ${Math.max(1, Math.ceil((retryAt - Date.now()) / 1000))} s`
  if (state === 'closed') return 'Offline'
  return attempt > 0 ? 'Reconnecting …' : 'Connecting …'
}
