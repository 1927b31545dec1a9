import { createApp, h } from 'vue'
import { TidingsPlugin, useConnection, useLatest } from 'tidings/vue'
import { client } from './client.js'

const app = createApp({
  setup() {
    const { state } = useConnection()
    const { event } = useLatest('note:42')
    return () => h('p', `${state.value} ${event.value?.payload ?? 'none'}`)
  },
})
app.use(TidingsPlugin, { client }).mount(document.body)
globalThis.leave = () => app.unmount()
