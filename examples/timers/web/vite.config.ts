import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

// `npm run dev` asks this server for everything below /api; start it beforehand.
const backend = 'http://127.0.0.1:4000'

export default defineConfig({
  plugins: [svelte()],
  server: { proxy: { '/api': backend } },
})
