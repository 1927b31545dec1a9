/** Makes the client's errors, each with its remedy in the development build. */
import { TidingsError, type TidingsErrorCode, type TidingsErrorDetails } from './errors.ts'
import { present } from './present.ts'
import { remedyOf } from './remedies.ts'

/** Whether this is the development build, which explains errors and warns. Set by the build. */
declare const DEVELOPMENT: boolean

/** Makes an error of the client. */
export function failure(code: TidingsErrorCode, details: TidingsErrorDetails = {}): TidingsError {
  return new TidingsError(code, DEVELOPMENT ? { ...present({ remedy: remedyOf(code) }), ...details } : details)
}

/**
 * The engine throws an `Error` with a textual `code`. The `code` of a browser's own exceptions is a number, and is
 * ignored.
 */
export function asError(cause: unknown, channel?: string): TidingsError {
  if (cause instanceof TidingsError) return cause
  const { code, message: detail } = (cause ?? {}) as { code?: unknown; message?: string }
  return failure(typeof code === 'string' ? code : 'internal', { ...present({ detail, channel }), cause })
}
