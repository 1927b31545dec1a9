import { readFileSync } from 'node:fs'

/** One of the protocol's golden fixtures, which the Rust tests read as well. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../protocol/fixtures/${name}.json`, import.meta.url), 'utf8')) as T
}
