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
export function makeIdentity(deviceId: string = storedDeviceId() ?? drawnDeviceId()): Identity {
  return { deviceId, sessionId: randomId() }
}

function drawnDeviceId(): string {
  const drawn = randomId()
  // Where there are locks, the engine sees to it that all tabs agree on one, and keeps that.
  if (!globalThis.document || !globalThis.navigator?.locks) keepDeviceId(drawn)
  return drawn
}

/** Keeps a device id that was drawn here: for where there will be no engine. */
export function keepDeviceId(deviceId: string): void {
  try {
    if (!storedDeviceId()) localStorage.setItem(STORAGE_KEY, deviceId)
  } catch {
    // No storage here, or it is refused: the id lives as long as the page.
  }
}

function storedDeviceId(): string | undefined {
  try {
    const stored = localStorage.getItem(STORAGE_KEY)
    // Anybody can write to the page's storage; what could not stand in a header is as good as nothing.
    return stored && /^[!-~]{1,128}$/.test(stored) ? stored : undefined
  } catch {
    return undefined
  }
}

/** 128 random bits. Not `crypto.randomUUID`, which exists only on secure pages. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
