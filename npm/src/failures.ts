/** The client's errors, each with its remedy in the development build. */
import { TidingsError, type TidingsErrorCode, type TidingsErrorDetails } from './errors.ts'
import { present } from './present.ts'
import { remedyOf } from './remedies.ts'

/** Whether this is the development build, which explains and warns. By the build. */
declare const DEVELOPMENT: boolean

/** An error of the client's. */
export function failure(code: TidingsErrorCode, details: TidingsErrorDetails = {}): TidingsError {
  return new TidingsError(code, DEVELOPMENT ? { ...present({ remedy: remedyOf(code) }), ...details } : details)
}

/** What the engine throws is an `Error` with a `code`. That of a browser's own exceptions is a number, and says nothing. */
export function asError(cause: unknown, channel?: string): TidingsError {
  if (cause instanceof TidingsError) return cause
  const { code, message: detail } = (cause ?? {}) as { code?: unknown; message?: string }
  return failure(typeof code === 'string' ? code : 'internal', { ...present({ detail, channel }), cause })
}
