/**
 * Tidings for TanStack Query 5, in any framework: events invalidate queries, or are written into them.
 *
 * ```ts
 * const stop = syncQueries(tidings, queryClient, {
 *   channels: {
 *     'note:*': { keys: [['notes']], invalidate: ({ payload }) => [['notes', 'list'], ['notes', payload.id]] },
 *   },
 *   labels: {
 *     timer: { keys: [['timer']], patch: ({ payload }, queryClient) => queryClient.setQueryData(['timer'], payload) },
 *   },
 * })
 * ```
 *
 * No event between a fetch and its subscription is missed: a query that was fetched before the server confirmed the
 * channel is fetched once more then; and a query that is being fetched when an event arrives is fetched once more
 * afterwards.
 *
 * @module
 */
import { lasting } from './binding.ts'
import type { ChannelOf, EventOn } from './channels.ts'
import type { TidingsClient } from './contract.ts'
import { type QueryClientLike, type QueryKey, Refresh } from './refresh.ts'
import type { Stop, TidingsEvent } from './types.ts'

export type { QueryClientLike, QueryKey, QueryLike } from './refresh.ts'

/** How the events of a channel or label change queries. */
export interface QueryRule<E extends TidingsEvent, Q extends QueryClientLike> {
  /**
   * Prefixes of the keys of all queries that these events may change. The queries are invalidated by every event,
   * unless `invalidate` or `patch` is more precise; always on a gap; and once when the server has confirmed the
   * channel.
   */
  keys: readonly QueryKey[]
  /** The keys, or prefixes of keys, that one event changes. Defaults to `keys`. */
  // Methods, so that they may declare the type of the payload where no types are registered.
  invalidate?(event: E): readonly QueryKey[]
  /** Writes the data of an event into the cache; then no query is fetched, unless `invalidate` is present as well. */
  patch?(event: E, queryClient: Q): void
  /**
   * A cursor: the cached data (rendered by a server, for example) are those of this position, so the events after it
   * are received and no query is fetched again. For `channels` only.
   */
  since?: string | undefined
}

/** How the events of each channel (or pattern) and of each label change queries. */
export interface QueryMapping<C extends object, Q extends QueryClientLike, L extends object = C> {
  /** The channels, as for `subscribe`. */
  channels?: { readonly [K in ChannelOf<C>]?: QueryRule<EventOn<C, K>, Q> } | undefined
  /** The labels, as for `on`. */
  labels?: { readonly [K in ChannelOf<L>]?: Omit<QueryRule<EventOn<L, K>, Q>, 'since'> } | undefined
}

/** Options of {@link syncQueries}. */
export interface SyncOptions {
  /** How long the invalidations of a burst of events are gathered, in milliseconds. Defaults to 20. */
  coalesceMs?: number | undefined
}

/**
 * Updates queries whenever events arrive.
 *
 * @returns a function that ends it
 */
export function syncQueries<C extends object, L extends object, Q extends QueryClientLike>(
  tidings: TidingsClient<C, L>,
  queryClient: Q,
  { channels = {}, labels = {} }: QueryMapping<C, Q, L>,
  { coalesceMs = 20 }: SyncOptions = {},
): () => void {
  const refresh = new Refresh(queryClient, coalesceMs)
  // The compiler has checked the mapping by now; from here on all rules have the same type.
  const client = tidings as unknown as TidingsClient<Record<string, unknown>>
  type Rule = QueryRule<TidingsEvent, Q>

  const hear =
    ({ keys, invalidate, patch }: Rule) =>
    (event: TidingsEvent): void => {
      let done = false
      try {
        patch?.(event, queryClient)
        if (patch) refresh.written(keys)
        if (invalidate || !patch) refresh.invalidate(invalidate ? invalidate(event) : keys)
        done = true
      } finally {
        // The mapping threw, and that is reported: invalidate everything that the event may have changed.
        if (!done) refresh.invalidate(keys)
      }
    }
  const begin = (first: boolean): (() => void) => {
    const stops: Stop[] = []
    for (const [channel, rule] of Object.entries(channels) as [string, Rule][]) {
      const again = (): void => refresh.invalidate(rule.keys)
      const { since } = rule
      const whole = first && since !== undefined ? { since } : { onReady: again }
      stops.push(client.subscribe(channel, hear(rule), { onGap: again, ...whole }))
    }
    for (const [label, rule] of Object.entries(labels) as [string, Rule][]) {
      stops.push(client.on(label, hear(rule), { onReady: () => refresh.invalidate(rule.keys) }))
    }
    return () => stops.forEach((stop) => stop())
  }
  const keysOfLabels = (Object.values(labels) as Rule[]).flatMap(({ keys }) => keys)
  const ends = [
    () => refresh.end(),
    lasting(client, begin),
    client.subscribeGap((_channels, _reason, addressed) => addressed && refresh.invalidate(keysOfLabels)),
  ]
  return () => {
    for (const end of ends.splice(0)) end()
  }
}
