import { sveltekit } from '@sveltejs/kit/vite'

export default {
  plugins: [sveltekit()],
  server: { proxy: { '/api': process.env.HUB } },
}
