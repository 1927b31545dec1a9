// The browser profile's id: one for all its tabs, kept in localStorage. The npm package's facade calls this file while
// the engine loads, and the interface for Rust before it connects.

/** The localStorage key of the device id. */
const STORAGE_KEY = 'tidings.deviceId'
/** The lock under which tabs agree on an id, and the lock with which tabs that have agreed publish it. */
const AGREEING = 'tidings device'
const AGREED = 'tidings device is '
/** How long an id is published: by then storage has passed it to all other tabs. */
const SAID_MS = 10_000
/** How long this tab waits for a frozen tab. */
const PATIENCE_MS = 1_000

/** The device id that this page has generated, for all its clients. */
let drawn

function storedId() {
  try {
    const stored = localStorage.getItem(STORAGE_KEY)
    // Any script can write to the page's storage; an id that could not be sent in a header is ignored.
    if (/^[!-~]{1,128}$/.test(stored ?? '')) return stored
  } catch {
    // Storage is missing or refused here.
  }
}

/** Stores a device id, where storage is allowed; elsewhere it lives as long as the page. */
function keep(id) {
  try {
    localStorage.setItem(STORAGE_KEY, id)
  } catch {}
  return id
}

/** The locks, in a page only: a server has locks of its own. */
const lockManager = () => globalThis.document && globalThis.navigator?.locks

/** The device id: the stored one, or else a random one until all tabs have agreed on one. */
export function deviceId() {
  const id = storedId() ?? (drawn ??= randomId())
  // Without locks the tabs have no means to agree.
  return lockManager() ? id : keep(id)
}

/**
 * The one device id of all tabs that have generated one at the same moment. Storage alone does not suffice: of two tabs
 * that write at once, each reads back its own value for a while. Locks are consistent across tabs at any time.
 */
export async function agreedDeviceId() {
  const stored = storedId()
  const locks = lockManager()
  if (stored) return stored
  drawn = deviceId()
  try {
    if (locks) await Promise.race([agree(locks), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))])
  } catch {
    // Locks may be refused, as storage may be.
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
