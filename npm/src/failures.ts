/** The client's errors, each with its remedy as soon as the engine, which knows them, has loaded. */
import { TidingsError, type TidingsErrorCode, type TidingsErrorDetails } from './errors.ts'
import { present } from './present.ts'

let remedyOf: (code: string) => string | undefined = () => undefined

/** The engine is there. */
export function learnRemedies(known: typeof remedyOf): void {
  remedyOf = known
}

/** An error of the client's. */
export function failure(code: TidingsErrorCode, details: TidingsErrorDetails = {}): TidingsError {
  return new TidingsError(code, { ...present({ remedy: remedyOf(code) }), ...details })
}

/** What the engine throws is an `Error` with a `code`. */
export function asError(cause: unknown, channel?: string): TidingsError {
  if (cause instanceof TidingsError) return cause
  const { code = 'internal', message: detail } = (cause ?? {}) as { code?: string; message?: string }
  return failure(code, { ...present({ detail, channel }), cause })
}
