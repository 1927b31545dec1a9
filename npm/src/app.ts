import { Tidings } from './client.ts'
import { TidingsError } from './errors.ts'
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
 * Sets the options of the app's client. Call it once, where the app starts.
 *
 * @throws a {@link TidingsError} `alreadyConfigured` after the first `getTidings()`: those who have that client would
 * otherwise be left with another one than the rest of the app
 */
export function configureTidings(chosen: TidingsOptions): void {
  if (app) throw new TidingsError('alreadyConfigured', { remedy: 'call configureTidings() before the first getTidings()' })
  options = chosen
}
