import { ApiError } from './call.ts'
import { element } from './dom.ts'

const SHOWN_MS = 8_000

// Both elements exist from the start, because a screen reader announces only changes of existing ones.
const notices = element('div', { className: 'notices', role: 'status' })
const problems = element('div', { className: 'problems', role: 'alert' })
document.body.append(problems, notices)

/** Shows a notice for some seconds. */
export function notice(text: string, testid = 'notice'): void {
  const dismiss = element('button', { type: 'button', ariaLabel: 'Dismiss', textContent: '×' })
  const shown = element('p', { data: { testid } }, element('span', {}, text), dismiss)
  const end = (): void => shown.remove()
  dismiss.addEventListener('click', end)
  setTimeout(end, SHOWN_MS)
  notices.append(shown)
}

/** Runs an action, and shows for some seconds why it failed. Resolves with whether it succeeded. */
export async function attempt(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action()
    return true
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    // Without a session the login is shown, which explains it.
    if (error.status === 401 || !error.message) return false
    const shown = element('p', { data: { testid: 'error' } }, error.message)
    problems.replaceChildren(shown)
    setTimeout(() => shown.remove(), SHOWN_MS)
    return false
  }
}

export function forgetNotices(): void {
  notices.replaceChildren()
  problems.replaceChildren()
}
