export default defineNuxtConfig({
  compatibilityDate: '2026-01-01',
  app: { head: { link: [{ rel: 'icon', href: 'data:,' }] } },
  devtools: { enabled: false },
  // With `/api/events/**` Nitro would request `/api/events/` from the hub, which does not exist.
  routeRules: { '/api/**': { proxy: `${process.env.HUB}/api/**` } },
})
