import { QueryClient } from '@tanstack/react-query'
import { client } from 'examples-web'
import { syncQueries } from 'tidings/query'
import type { Channels } from './channels'

export const tidings = client<Channels>()

/** Events report every change, so no query is refetched because time has passed or a window got focus. */
export const newQueries = (): QueryClient =>
  new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, refetchOnWindowFocus: false, retry: true } } })

/** Keeps the queries of every page in step with the events; those of a room are synced while the room is shown. */
export const syncAll = (queries: QueryClient, user: string): (() => void) =>
  syncQueries(tidings, queries, {
    channels: { [`notification:${user}`]: { keys: [['announcements']] } },
    labels: { note: { keys: [['notes', null]] } },
  })

export const syncRoom = (queries: QueryClient, room: string): (() => void) =>
  syncQueries(tidings, queries, { channels: { [`notes:room:${room}`]: { keys: [['notes', room]] } } })
