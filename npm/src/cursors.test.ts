import { expect, test } from 'vitest'
import { earliest, isAfter } from './cursors.ts'

test.each([
  ['a.6.1', 'a.5.1', true],
  ['a.5.1', 'a.5.1', false],
  ['a.10.1', 'a.z.1', true],
  ['b.1.1', 'a.5.1', true],
  ['a.5.1,b.7.1', 'b.7.1,a.5.1', false],
  ['a.5.1,b.8.1', 'a.6.1,b.7.1', true],
  ['a.5.1,c.1.1', 'a.5.1,b.7.1', true],
  ['b.7.1', 'a.5.1,b.7.1', false],
])('%s is compared with %s log by log', (cursor, other, after) => {
  expect(isAfter(cursor, other)).toBe(after)
})

test.each([
  [[], undefined],
  [['a.6.1', 'a.5.1', 'a.z.1'], 'a.5.1'],
  [['a.6.1', 'b.5.1'], undefined],
  [['a.6.1,b.2.1', 'b.1.1,a.7.1'], 'a.6.1,b.1.1'],
  [['a.6.1,b.2.1', 'a.6.1'], undefined],
])('the earliest of %s is, log by log, %s', (cursors, least) => {
  expect(earliest(cursors)).toBe(least)
})
