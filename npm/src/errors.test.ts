import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { fixture } from '../test/fixtures.ts'
import { SERVER_CODES } from './errors.ts'

const words = fixture<{ rejectCodes: string[]; closingReasons: string[] }>('words')
const problems = fixture<{ code: string }[]>('problems')
/** All that a server may say, by the list that the Rust tests compare with its own. A drain is nobody's error. */
const said = new Set([...problems.map(({ code }) => code), ...words.rejectCodes, ...words.closingReasons])
said.delete('drain')

test('every code of the server is known here, and none that it does not have', () => {
  expect([...SERVER_CODES].sort()).toEqual([...said].sort())
})

test('the README says of every code what to do', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const rows = readme.split('\n').filter((line) => line.startsWith('| `'))
  const explained = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, code]) => code))
  for (const code of said) expect(explained).toContain(code)
})
