import { QueryClient } from '@tanstack/react-query'
import { client } from 'examples-web'
import { syncQueries } from 'tidings/query'
import type { Channels } from './channels'

export const tidings = client<Channels>()

/** Events say what has changed, so nothing is fetched because time has passed or a window is looked at. */
export const newQueries = (): QueryClient =>
  new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, refetchOnWindowFocus: false, retry: true } } })

/** The queries of every page, in step with the events; those of a room are synced while it is shown. */
export const syncAll = (queries: QueryClient, user: string): (() => void) =>
  syncQueries(tidings, queries, {
    channels: { [`notification:${user}`]: { keys: [['announcements']] } },
    labels: { note: { keys: [['notes', null]] } },
  })

export const syncRoom = (queries: QueryClient, room: string): (() => void) =>
  syncQueries(tidings, queries, { channels: { [`notes:room:${room}`]: { keys: [['notes', room]] } } })
