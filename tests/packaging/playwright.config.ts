import { defineConfig } from '@playwright/test'
import base from '../e2e/playwright.config.ts'

export default defineConfig({
  ...base,
  projects: [{ name: 'packaging', testMatch: '*.test.ts' }],
  // The tests of a file share an app's folder, so they run one after the other; files run in parallel.
  fullyParallel: false,
  globalSetup: './support/pack.ts',
  // Package managers and compilers run here, and the machine may be busy.
  timeout: 600_000,
  expect: { timeout: 60_000 },
  reporter: [['list'], ['./support/table.ts']],
})
