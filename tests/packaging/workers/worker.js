import { Tidings } from './node_modules/tidings/dist/index.js'
import { listen } from './listen.js'

listen(new Tidings({ url: '/api/events?user=ana' }), (text) => postMessage(text))
