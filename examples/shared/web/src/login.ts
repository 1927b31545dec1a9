import { call } from './call.ts'
import { element } from './dom.ts'
import { attempt } from './notice.ts'

/** Asks for a name. */
export function login(title: string, lead: string, unasked: boolean, enter: (user: string) => void): HTMLElement {
  const name = element('input', {
    id: 'user',
    className: 'field',
    required: true,
    maxLength: 64,
    autocomplete: 'username',
    autocapitalize: 'none',
    spellcheck: false,
    data: { testid: 'login-user' },
  })
  const submit = element('button', { className: 'button primary', textContent: 'Log in', data: { testid: 'login-submit' } })
  const ended = element('p', { className: 'ended', role: 'status' }, 'You were logged out. Log in again to go on.')
  const label = element('label', { className: 'label', htmlFor: 'user' }, 'Your name')
  const form = element('form', { className: 'card' }, ...(unasked ? [ended] : []), element('div', {}, label, name), submit)
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    submit.disabled = true
    await attempt(async () => enter((await call<{ user: string }>('/login', { body: { user: name.value } })).user))
    submit.disabled = false
  })
  // The form is the only thing on this page.
  requestAnimationFrame(() => name.focus())
  const hint = element('p', { className: 'hint' }, 'Any name will do. By the same name on another device, you are the same user.')
  return element('main', { className: 'login' }, element('h1', {}, title), element('p', { className: 'lead' }, lead), form, hint)
}
