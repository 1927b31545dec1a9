import type { Tidings } from 'tidings'
import { ApiError, abandonRequests, call } from './call.ts'
import { chip } from './chip.ts'
import { element } from './dom.ts'
import { login } from './login.ts'
import { attempt, forgetNotices, notice } from './notice.ts'
import { session } from './session.ts'

/** An app, as the shell needs to know it. */
export interface App {
  title: string
  /** One sentence for the login page. */
  lead: string
  tidings: Tidings<any>
  /** Shows the app to a user. Returns a function that removes it. */
  mount(root: HTMLElement, user: string): () => void
}

/** The frame around an app: the login until a user is logged in, then a header and the app. */
export function shell({ title, lead, tidings, mount }: App): void {
  const page = element('div', { className: 'page' })
  document.body.prepend(page)
  let user: string | null | undefined
  let unmount = (): void => {}
  let stopHearing = (): void => {}

  function enter(name: string): void {
    if (user === name) return
    leave()
    user = name
    const logout = element('button', { type: 'button', className: 'button small', textContent: 'Log out', data: { testid: 'logout' } })
    logout.addEventListener('click', () => void attempt(() => call('/logout', { method: 'POST' }).then(() => ask(false))))
    const root = element('main', { id: 'app' })
    page.replaceChildren(
      element(
        'header',
        { className: 'bar' },
        element('h1', {}, title),
        chip(tidings),
        element('span', { className: 'who', title: name, data: { testid: 'user' } }, name),
        logout,
      ),
      root,
    )
    // Another tab of this browser has logged out.
    stopHearing = tidings.on('session', () => void check())
    unmount = mount(root, name)
  }

  function leave(): void {
    unmount()
    stopHearing()
    unmount = stopHearing = () => {}
    tidings.reset()
    abandonRequests()
    forgetNotices()
  }

  function ask(unasked: boolean): void {
    leave()
    user = null
    page.replaceChildren(login(title, lead, unasked, enter))
  }

  /** Asks the server which user is logged in: at the start, and when the session may have expired. */
  async function check(): Promise<void> {
    try {
      enter((await call<{ user: string }>('/me')).user)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status === 401) {
        if (user !== null) ask(user !== undefined)
      }
      // The server cannot be reached. A user who was logged in stays so; at the start, the page waits for the next
      // attempt.
      else if (user === undefined) setTimeout(() => void check(), 2_000)
    }
  }

  session.lost = () => void check()
  tidings.subscribeGap(() => notice('Events may have been missed, so everything was fetched anew.', 'gap-notice'))
  void check()
}
