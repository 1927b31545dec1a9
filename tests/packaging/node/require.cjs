const { configureTidings, getTidings } = require('tidings')
require('tidings/slim')

configureTidings({ url: 'http://app.test/api/events', onError: ({ code, willRetry }) => console.log(code, willRetry) })
console.log(getTidings().state)
getTidings().subscribe('note:42', () => {})
