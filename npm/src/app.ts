import { Tidings } from './client.ts'
import { failure } from './failures.ts'
import type { TidingsOptions } from './types.ts'

let options: TidingsOptions = {}
let app: Tidings | undefined

/**
 * The client of this app: one connection, whoever asks. Made on the first call, with what {@link configureTidings} was
 * given, else with the defaults.
 */
export function getTidings(): Tidings {
  return (app ??= new Tidings(options))
}

/**
 * Sets the options of the app's client. Call it once, where the app starts. A module that is replaced by a development server may call
 * it again: functions take the place of those before.
 *
 * @throws a {@link TidingsError} `alreadyConfigured` when, after the first `getTidings()`, an option is another one: those who have that
 * client would otherwise be left with another one than the rest of the app
 */
export function configureTidings(chosen: TidingsOptions): void {
  if (app && text(chosen) === text(options)) return app.adopt(chosen)
  if (app) throw failure('alreadyConfigured')
  options = chosen
}

/** What options say, but for what functions do. */
const text = (options: TidingsOptions): string =>
  JSON.stringify(Object.entries(options).sort(), (_, value: unknown) => (typeof value === 'function' ? 'a function' : value))
