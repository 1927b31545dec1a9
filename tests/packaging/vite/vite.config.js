export default {
  server: { proxy: { '/api': process.env.HUB } },
  preview: { proxy: { '/api': process.env.HUB } },
}
