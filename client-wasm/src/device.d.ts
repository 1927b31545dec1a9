/** The device id: what is stored, else what is drawn until all tabs have agreed on one. */
export function deviceId(): string
/** The one device id of all tabs that have drawn one in the same moment. */
export function agreedDeviceId(): Promise<string>
/** 128 random bits. */
export function randomId(): string
