import { svelte } from '@sveltejs/vite-plugin-svelte'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'
import { lean } from './glue.mjs'
import { unpacker } from './unpacker.mjs'
import { glueFile, packedWasm } from './wasm.mjs'

const page = '{src,test}/**/*.page.test.{ts,tsx}'

export default defineConfig({
  // The sources see the real Wasm where the build would have put it.
  define: { WASM: JSON.stringify(packedWasm()), UNPACKER: JSON.stringify(unpacker()), RETRIES: 'true', DEVELOPMENT: 'true' },
  plugins: [
    svelte({ configFile: false }),
    vue(),
    { name: 'lean glue', transform: (code, id) => (id === glueFile ? lean(code) : undefined) },
  ],
  test: {
    restoreMocks: true,
    unstubGlobals: true,
    projects: [
      // Node, where frameworks render on the server.
      { extends: true, test: { name: 'node', include: ['{src,test}/**/*.test.{ts,tsx}'], exclude: [page] } },
      // A page, of sorts: frameworks run as in a browser.
      { extends: true, resolve: { conditions: ['browser'] }, test: { name: 'page', include: [page], environment: 'jsdom' } },
    ],
  },
})
