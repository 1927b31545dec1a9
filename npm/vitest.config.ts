import { defineConfig } from 'vitest/config'
import { wasmHex } from './wasm.mjs'

export default defineConfig({
  // The sources see the real Wasm where the build would have put it.
  define: { WASM_HEX: JSON.stringify(wasmHex()) },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    restoreMocks: true,
    unstubGlobals: true,
  },
})
