import { beforeEach, expect, test, vi } from 'vitest'

let tidings: typeof import('./index.ts')

beforeEach(async () => {
  vi.resetModules()
  tidings = await import('./index.ts')
})

test('whoever asks gets the same client, with the options of the app', () => {
  tidings.configureTidings({ deviceId: 'kiosk-7' })
  expect(tidings.getTidings()).toBe(tidings.getTidings())
  expect(tidings.getTidings().deviceId).toBe('kiosk-7')
})

test('the defaults do without options', () => {
  expect(tidings.getTidings().state).toBe('idle')
})

test('options that come too late are refused, not ignored', () => {
  tidings.getTidings()
  expect(() => tidings.configureTidings({})).toThrow(expect.objectContaining({ code: 'alreadyConfigured' }))
})
