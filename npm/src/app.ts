import { Tidings } from './client.ts'
import { failure } from './failures.ts'
import type { TidingsOptions } from './types.ts'

let options: TidingsOptions = {}
let app: Tidings | undefined

/**
 * The client of this app: one connection for all callers. It is made on the first call, with the options of {@link
 * configureTidings} or else with the defaults.
 */
export function getTidings(): Tidings {
  return (app ??= new Tidings(options))
}

/**
 * Sets the options of the app's client. Call it once, where the app starts. A module that a development server replaces
 * may call it again: its functions replace those of the earlier call.
 *
 * @throws a {@link TidingsError} `alreadyConfigured` when, after the first `getTidings()`, an option differs: the
 * callers that already have a client would otherwise use another one than the rest of the app
 */
export function configureTidings(chosen: TidingsOptions): void {
  if (app && text(chosen) === text(options)) return app.adopt(chosen)
  if (app) throw failure('alreadyConfigured')
  options = chosen
}

/** The text of the options, without functions, for comparison. */
const text = (options: TidingsOptions): string =>
  JSON.stringify(Object.entries(options).sort(), (_, value: unknown) => (typeof value === 'function' ? 'a function' : value))
