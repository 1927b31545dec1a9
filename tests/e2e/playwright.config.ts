import { defineConfig } from '@playwright/test'
import type { Fixtures } from './fixtures.ts'
import { chrome } from './support/paths.ts'

/** Arguments for Debian's Chromium: no sandbox, which it lacks for root, and no network use of its own. */
export const browserArguments = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export default defineConfig<Fixtures>({
  testDir: '.',
  projects: [
    // Tests of one transport apply to the other.
    { name: 'fetch', testMatch: 'hub/*.test.ts', use: { transport: 'fetch' } },
    { name: 'eventsource', testMatch: 'hub/*.test.ts', use: { transport: 'eventsource' } },
    { name: 'apps', testMatch: ['timers/*.test.ts', 'apps/*.test.ts'] },
    { name: 'cluster', testMatch: 'cluster/*.test.ts' },
    { name: 'proxies', testMatch: 'proxies/*.test.ts' },
    { name: 'webdriver', testMatch: 'webdriver/*.test.ts' },
  ],
  fullyParallel: true,
  workers: 2,
  // A test that passes only at the second attempt has found a fault.
  retries: 0,
  forbidOnly: process.env.CI !== undefined,
  timeout: 30_000,
  expect: { timeout: 10_000 },
  reporter: 'list',
  use: {
    launchOptions: { executablePath: chrome(), args: browserArguments },
    trace: 'off',
  },
})
