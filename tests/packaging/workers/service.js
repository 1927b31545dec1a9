// A single file, because `import()` is forbidden in a service worker.
import { Tidings } from './node_modules/tidings/dist/inline.js'
import { listen } from './listen.js'

addEventListener('install', () => skipWaiting())
addEventListener('activate', (event) => event.waitUntil(clients.claim()))
addEventListener('message', ({ source }) => listen(new Tidings({ url: '/api/events?user=ana' }), (text) => source.postMessage(text)))
