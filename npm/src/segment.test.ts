import { expect, test } from 'vitest'
import { fixture } from '../test/fixtures.ts'
import { segment } from './segment.ts'

test.each(fixture<{ segments: { id: string; segment: string }[] }>('channels').segments)('$id becomes $segment', (given) => {
  expect(segment(given.id)).toBe(given.segment)
})

test('half a surrogate pair counts as the replacement character', () => {
  expect(segment('\ud83d')).toBe('%EF%BF%BD')
})
