import { tanstackStart } from '@tanstack/react-start/plugin/vite'
import react from '@vitejs/plugin-react'

export default {
  plugins: [tanstackStart(), react()],
  server: { proxy: { '/api': process.env.HUB } },
  preview: { proxy: { '/api': process.env.HUB } },
}
