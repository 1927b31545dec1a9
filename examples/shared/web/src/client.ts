import { Tidings, type TidingsOptions } from 'tidings'
import { session, use } from './session.ts'

/** `/a/notes/` is in the place `a`: the start page shows two, and each is a device of its own. */
const place = location.pathname.split('/')[1] || 'a'

/** The app's one client: for the site's stream, as the device that this place is. */
export function client<Channels extends object>(options: TidingsOptions = {}): Tidings<Channels> {
  const tidings = new Tidings<Channels>({
    url: '../api/events',
    deviceId: deviceOf(place),
    ...options,
    onError: (error) => {
      options.onError?.(error)
      // The session may have ended: ask, and show the login if so.
      if (error.status === 401) session.lost()
    },
  })
  use(tidings)
  return tidings
}

/** Only this demo needs it: by itself a browser is one device. */
function deviceOf(place: string): string {
  const key = `device.${place}`
  const known = localStorage.getItem(key) ?? crypto.randomUUID()
  localStorage.setItem(key, known)
  return known
}
