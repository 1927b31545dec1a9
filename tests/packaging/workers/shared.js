import { Tidings } from './node_modules/tidings/dist/index.js'
import { listen } from './listen.js'

addEventListener('connect', ({ ports: [port] }) => listen(new Tidings({ url: '/api/events?user=ana' }), (text) => port.postMessage(text)))
