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
 * No event between a fetch and its subscription is missed: what was fetched before the server confirmed the channel is
 * fetched once more then; and what an event finds in the midst of being fetched, once that has ended.
 *
 * @module
 */
import { lasting } from './binding.ts'
import type { ChannelOf, EventOn } from './channels.ts'
import type { TidingsClient } from './contract.ts'
import { type QueryClientLike, type QueryKey, Refresh } from './refresh.ts'
import type { Stop, TidingsEvent } from './types.ts'

export type { QueryClientLike, QueryKey, QueryLike } from './refresh.ts'

/** What the events of a channel or label mean for queries. */
export interface QueryRule<E extends TidingsEvent, Q extends QueryClientLike> {
  /**
   * Beginnings of the keys of all queries that these events may change. They are invalidated by every event, unless
   * `invalidate` or `patch` says better; always on a gap; and once when the server has confirmed the channel.
   */
  keys: readonly QueryKey[]
  /** The keys, or beginnings of them, that one event changes. Defaults to `keys`. */
  // Methods, so that they may say what the payload is where no types are registered.
  invalidate?(event: E): readonly QueryKey[]
  /** Writes what an event brings into the cache; then nothing is fetched, unless `invalidate` is there as well. */
  patch?(event: E, queryClient: Q): void
  /**
   * A cursor: what is in the cache is as of then (it was rendered by a server, say), so that the events after it are heard
   * and nothing is fetched again. Only for `channels`.
   */
  since?: string | undefined
}

/** What the events of each channel (or pattern) and of each label mean for queries. */
export interface QueryMapping<C extends object, Q extends QueryClientLike, L extends object = C> {
  /** What `subscribe` hears. */
  channels?: { readonly [K in ChannelOf<C>]?: QueryRule<EventOn<C, K>, Q> } | undefined
  /** What `on` hears. */
  labels?: { readonly [K in ChannelOf<L>]?: Omit<QueryRule<EventOn<L, K>, Q>, 'since'> } | undefined
}

/** Options of {@link syncQueries}. */
export interface SyncOptions {
  /** How long to gather what a burst of events invalidates, in milliseconds. Defaults to 20. */
  coalesceMs?: number | undefined
}

/**
 * Keeps queries in step with events.
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
  // What the mapping's types say has been checked by now; from here on all rules are alike.
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
        // The mapping failed (and that is told): nobody knows what it would have said.
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
