export default defineNuxtConfig({
  compatibilityDate: '2026-01-01',
  app: { head: { link: [{ rel: 'icon', href: 'data:,' }] } },
  devtools: { enabled: false },
  // Not `/api/events/**`: Nitro would ask the hub for `/api/events/`, which is not there.
  routeRules: { '/api/**': { proxy: `${process.env.HUB}/api/**` } },
})
