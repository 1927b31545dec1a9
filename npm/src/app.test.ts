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
  expect(() => tidings.configureTidings({ idleMs: 7 })).toThrow(expect.objectContaining({ code: 'alreadyConfigured' }))
})

test('a module that is replaced may configure the app again: its functions take the place of those before', () => {
  const [before, after] = [vi.fn(), vi.fn()]
  tidings.configureTidings({ url: '/api/events', onState: before })
  const app = tidings.getTidings()
  tidings.configureTidings({ onState: after, url: '/api/events' })
  expect(tidings.getTidings()).toBe(app)
  app.disconnect()
  expect([before.mock.calls.length, after.mock.calls.length]).toEqual([0, 1])
})
