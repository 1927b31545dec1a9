import { Tidings, type TidingsOptions } from 'tidings'
import { session, use } from './session.ts'

/** `/a/notes/` is in the place `a`. The start page shows two places, and each is a device of its own. */
const place = location.pathname.split('/')[1] || 'a'

/** The app's only client, for the site's stream, with this place as its device. */
export function client<Channels extends object>(options: TidingsOptions = {}): Tidings<Channels> {
  const tidings = new Tidings<Channels>({
    url: '../api/events',
    deviceId: deviceOf(place),
    ...options,
    onError: (error) => {
      options.onError?.(error)
      // The session may have expired, so it is checked, and the login is shown if it has.
      if (error.status === 401) session.lost()
    },
  })
  use(tidings)
  return tidings
}

/** Only this demo needs this: normally a browser is one device. */
function deviceOf(place: string): string {
  const key = `device.${place}`
  const known = localStorage.getItem(key) ?? crypto.randomUUID()
  localStorage.setItem(key, known)
  return known
}
