import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

export default defineConfig({
  // The page is served below several paths, so its URLs are relative.
  base: './',
  plugins: [vue()],
  // `npm run dev` forwards requests below /api to the demo server; start that server first.
  server: { proxy: { '/api': 'http://127.0.0.1:4000/a' } },
})
