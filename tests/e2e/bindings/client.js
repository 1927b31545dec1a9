// The one client of the page, whatever framework renders it.
import { Tidings } from 'tidings'

export const client = new Tidings({ url: '/api/events?user=ana' })
