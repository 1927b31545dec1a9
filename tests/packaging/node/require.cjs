const { configureTidings, getTidings, Tidings } = require('tidings')
require('tidings/inline')

// As where a page is rendered: a client may be made, and says that it cannot connect.
configureTidings({ url: 'http://app.test/api/events', onError: ({ code, willRetry }) => console.log(code, willRetry) })
console.log(getTidings().state)
getTidings().subscribe('note:42', () => {})

// As a service that listens: it connects where it is told how.
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
