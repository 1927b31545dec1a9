// Which browser profile this is: one name for all its tabs, kept in localStorage. The npm package's facade asks here while the
// engine loads, and the surface for Rust before it connects.

/** Where the device id is kept. */
const STORAGE_KEY = 'tidings.deviceId'
/** The lock under which tabs agree on one, and the one by which those that have say so. */
const AGREEING = 'tidings device'
const AGREED = 'tidings device is '
/** So long they say so: by then storage has told all others. */
const SAID_MS = 10_000
/** A tab that stands still holds nobody up for longer. */
const PATIENCE_MS = 1_000

/** The device id that this page has drawn, for all its clients. */
let drawn

function storedId() {
  try {
    const stored = localStorage.getItem(STORAGE_KEY)
    // Anybody can write to the page's storage; what could not stand in a header is as good as nothing.
    if (/^[!-~]{1,128}$/.test(stored ?? '')) return stored
  } catch {
    // No storage here, or it is refused.
  }
}

/** Keeps a device id, where that is allowed; elsewhere it lives as long as the page. */
function keep(id) {
  try {
    localStorage.setItem(STORAGE_KEY, id)
  } catch {}
  return id
}

/** Only in a page: a server has locks of its own. */
const lockManager = () => globalThis.document && globalThis.navigator?.locks

/** The device id: what is stored, else what is drawn until all tabs have agreed on one. */
export function deviceId() {
  const id = storedId() ?? (drawn ??= randomId())
  // Without locks there is nothing to agree by.
  return lockManager() ? id : keep(id)
}

/**
 * The one device id of all tabs that have drawn one in the same moment. Storage alone could not tell: what two tabs write at
 * once, each of them reads back as its own for a while. Locks are one for all, at any time.
 */
export async function agreedDeviceId() {
  const stored = storedId()
  const locks = lockManager()
  if (stored) return stored
  drawn = deviceId()
  try {
    if (locks) await Promise.race([agree(locks), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))])
  } catch {
    // Locks are refused here, as storage may be.
  }
  return keep(drawn)
}

const agree = (locks) =>
  locks.request(AGREEING, async () => {
    const { held } = await locks.query()
    const said = held.find(({ name }) => name.startsWith(AGREED))
    drawn = said ? said.name.slice(AGREED.length) : (storedId() ?? drawn)
    await new Promise((granted) => {
      const say = () => new Promise((resolve) => (granted(), setTimeout(resolve, SAID_MS)))
      locks.request(AGREED + drawn, { mode: 'shared' }, say).catch(granted)
    })
  })

/** 128 random bits. Not `crypto.randomUUID`, which exists only on secure pages. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
