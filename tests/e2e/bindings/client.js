// The page's only client, whichever framework renders it.
import { Tidings } from 'tidings'

export const client = new Tidings({ url: '/api/events?user=ana' })
