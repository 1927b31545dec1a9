import { defineConfig } from 'vitest/config'
import { packedWasm } from './wasm.mjs'

export default defineConfig({
  // The sources see the real Wasm where the build would have put it.
  define: { WASM: JSON.stringify(packedWasm()) },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    restoreMocks: true,
    unstubGlobals: true,
  },
})
