/**
 * Device and session id for as long as the engine cannot give them: while Wasm loads asynchronously, or where it is
 * blocked. The engine, once there, is handed what was made here, so that no request ever goes out under two names.
 */

/** Where the engine keeps the device id as well. */
const STORAGE_KEY = 'tidings.deviceId'

/** Who this page is. */
export interface Identity {
  /** The browser profile. */
  readonly deviceId: string
  /** The tab. */
  readonly sessionId: string
}

/** Makes them; a device id that was given is used as it is. */
export function makeIdentity(deviceId: string = storedDeviceId()): Identity {
  return { deviceId, sessionId: randomId() }
}

function storedDeviceId(): string {
  try {
    const stored = localStorage.getItem(STORAGE_KEY)
    // Anybody can write to the page's storage; what could not stand in a header is as good as nothing.
    if (stored && /^[!-~]{1,128}$/.test(stored)) return stored
    const made = randomId()
    localStorage.setItem(STORAGE_KEY, made)
    return made
  } catch {
    // No storage here, or it is refused: the id lives as long as the page.
    return randomId()
  }
}

/** 128 random bits. Not `crypto.randomUUID`, which exists only on secure pages. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
