import { Tidings } from 'tidings'
import { TidingsPlugin } from 'tidings/vue'

export default defineNuxtPlugin(({ vueApp }) => {
  vueApp.use(TidingsPlugin, { client: new Tidings({ url: '/api/events?user=ana' }) })
})
