// The one client of the page. Where a development server replaces this module, the client before it ends. (Not by `dispose`,
// which Vite calls only for modules that accept their own replacement.)
import { Tidings } from 'tidings'

export const client = new Tidings({ url: '/api/events?user=ana' })
import.meta.hot?.data.client?.reset()
if (import.meta.hot) import.meta.hot.data.client = client
