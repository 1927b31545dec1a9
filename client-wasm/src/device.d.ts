/** The device id: the stored one, or else a random one until all tabs have agreed on one. */
export function deviceId(): string
/** The one device id of all tabs that have generated one at the same moment. */
export function agreedDeviceId(): Promise<string>
/** 128 random bits. */
export function randomId(): string
