import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { fixture } from '../test/fixtures.ts'
import { SERVER_CODES } from './errors.ts'
import { failure } from './failures.ts'

const words = fixture<{ rejectCodes: string[]; closingReasons: string[] }>('words')
const problems = fixture<{ code: string }[]>('problems')
/** All codes of the server, from the list that the Rust tests compare with the server's own. A drain is no error. */
const said = new Set([...problems.map(({ code }) => code), ...words.rejectCodes, ...words.closingReasons])
said.delete('drain')

test('every code of the server is known here, and none that it does not have', () => {
  expect([...SERVER_CODES].sort()).toEqual([...said].sort())
})

const table = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8')
/** The codes that the page explains. */
const explained = [...table.matchAll(/^\| (`[^|]*)\|/gm)].flatMap(([, codes]) => [...codes!.matchAll(/`(\w+)`/g)].map(([, code]) => code!))

test('the page on errors says of every code what to do', () => {
  for (const code of said) expect(explained).toContain(code)
})

// These errors are thrown by code with a more specific remedy.
const apart = ['noProvider', 'userUnknown']

test.each(explained.filter((code) => !apart.includes(code)))('%s carries its remedy, and no link', (code) => {
  const { message, remedy } = failure(code)
  expect(message).toBe(`${code} (${remedy})`)
  expect(remedy).toMatch(/^(?!.*https?:).{5,}$/)
})

test('an error says what happened, and then what to do', () => {
  expect(failure('forbidden', { detail: 'subscribe timer:u2' }).message).toBe("forbidden: subscribe timer:u2 (grant the channel in the server's Auth)")
  expect(failure('newer', { detail: 'of a newer server' }).message).toBe('newer: of a newer server')
})
