import { QueryClient } from '@tanstack/react-query'
import { client } from 'examples-web'
import { syncQueries } from 'tidings/query'
import type { Channels, Message, Notification } from './channels.ts'

export const tidings = client<Channels>()

/** Nothing is polled, because events report every change. */
export const newQueries = (): QueryClient =>
  new QueryClient({ defaultOptions: { queries: { staleTime: Infinity, refetchOnWindowFocus: false, retry: true } } })

/**
 * The effect of each event on the cached queries. Messages and notifications are written into the cache without a
 * fetch.
 */
export const sync = (queries: QueryClient): (() => void) =>
  syncQueries(tidings, queries, {
    labels: {
      message: {
        keys: [['messages']],
        patch: ({ payload }) => addMessage(queries, payload),
      },
      notification: {
        keys: [['notifications']],
        patch: ({ type, payload }) =>
          queries.setQueryData<Notification[]>(['notifications'], (known) =>
            type === 'created'
              ? known && [payload, ...known.filter(({ id }) => id !== payload.id)]
              : known?.map((one) => ({ ...one, read: true })),
          ),
        // An answer to a friend request changes the list of friends.
        invalidate: ({ type, payload }) => (type === 'created' && payload.kind !== 'message' ? [['friends']] : []),
      },
      conversation_update: { keys: [['conversations']] },
      group_update: { keys: [['groupchats']] },
    },
  })

/** Adds a message to its cached thread, once, whether it came as an answer or as an event. */
export function addMessage(queries: QueryClient, message: Message): void {
  queries.setQueryData<Message[]>(['messages', message.thread], (known) =>
    known?.some(({ id }) => id === message.id) ? known : known && [...known, message],
  )
}
