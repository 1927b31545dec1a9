import { shell } from 'examples-web'
import 'examples-web/base.css'
import { mount, unmount } from 'svelte'
import App from './App.svelte'
import { live } from './lib/live'
import { tidings } from './lib/tidings'

shell({
  title: 'Timers',
  lead: 'One timer, on all your devices at once.',
  tidings,
  mount(target) {
    const app = mount(App, { target })
    return () => {
      void unmount(app)
      live.end()
    }
  },
})
