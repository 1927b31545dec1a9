import { configureTidings, getTidings, Tidings } from 'tidings'
import 'tidings/inline'

// As when a page is rendered: a client can be made, and reports that it cannot connect.
configureTidings({ url: 'http://app.test/api/events', onError: ({ code, willRetry }) => console.log(code, willRetry) })
console.log(getTidings().state)
getTidings().subscribe('note:42', () => {})

// As a service that listens: it connects to the given URL.
const [, , hub, since] = process.argv
const tidings = new Tidings({ url: `${hub}/api/events?user=ana`, transport: 'fetch' })
const stop = tidings.subscribe(
  'note:42',
  ({ payload }) => {
    console.log(payload)
    stop()
    tidings.disconnect()
  },
  { since },
)
