import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  // The page is served below several paths.
  base: './',
  plugins: [react()],
  // `npm run dev` asks the demo for everything below /api; start it beforehand.
  server: { proxy: { '/api': 'http://127.0.0.1:4000/a' } },
})
