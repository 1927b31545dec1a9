import { shell } from 'examples-web'
import 'examples-web/base.css'
import { TidingsPlugin } from 'tidings/vue'
import { createApp } from 'vue'
import App from './App.vue'
import { forgetToken, tidings } from './tidings.ts'

shell({
  title: 'Tables',
  lead: 'Lists that are right while others change them.',
  tidings,
  mount(root) {
    const app = createApp(App).use(TidingsPlugin, { client: tidings })
    app.mount(root)
    return () => {
      app.unmount()
      forgetToken()
    }
  },
})
