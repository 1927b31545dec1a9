// The page's only client. When a development server replaces this module, the previous client is closed. (`dispose`
// does not work here, because Vite calls it only for modules that accept their own replacement.)
import { Tidings } from 'tidings'

export const client = new Tidings({ url: '/api/events?user=ana' })
import.meta.hot?.data.client?.reset()
if (import.meta.hot) import.meta.hot.data.client = client
