import { QueryClient } from '@tanstack/react-query'
import { client, notice } from 'examples-web'
import { type OfflineQueue, queueOffline } from 'tidings/offline'
import { syncQueries } from 'tidings/query'
import type { Channels } from './channels.ts'
import { waiting } from './waiting.ts'

export const tidings = client<Channels>()

export const newQueries = (): QueryClient =>
  new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, refetchOnWindowFocus: false, retry: true } } })

/** Applies every change of a shared project that others made. */
export function sync(queries: QueryClient): () => void {
  const stopQueries = syncQueries(tidings, queries, { labels: { sync: { keys: [['projects']] } } })
  // Code outside React receives the same events on `window`.
  const stopWindow = tidings.on('sync', ({ type, payload }) => {
    window.dispatchEvent(new CustomEvent(`sync:${payload.entity}`, { detail: { action: type, ...payload } }))
  })
  return () => {
    stopQueries()
    stopWindow()
  }
}

/** Queues offline writes, and sends them on return. */
export function keepOffline(queries: QueryClient, user: string): OfflineQueue {
  const settled = (): void => void queries.invalidateQueries({ queryKey: ['projects'] })
  const queue = queueOffline(tidings, {
    user: () => user,
    onFlush: ({ key }) => {
      waiting.remove(key)
      settled()
    },
    onReject: ({ key }) => {
      notice(`Not saved: ${waiting.remove(key) ?? 'a change'}`, 'rejected')
      settled()
    },
  })
  void waiting.follow(queue)
  return queue
}
