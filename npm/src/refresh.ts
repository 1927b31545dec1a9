/** The key of a query, or its beginning. */
export type QueryKey = readonly unknown[]

/** The properties of a query that are used here. */
export interface QueryLike {
  readonly queryKey: QueryKey
  readonly state: { readonly fetchStatus: 'fetching' | 'paused' | 'idle' }
}

/**
 * TanStack Query's `QueryClient`, reduced to what is used: so every framework's own client fits, and no package has to
 * be installed.
 */
export interface QueryClientLike {
  getQueryCache(): {
    findAll(filters: { queryKey: QueryKey }): QueryLike[]
    subscribe(listener: (event: { query: QueryLike }) => void): () => void
  }
  invalidateQueries(filters: { queryKey: QueryKey; exact?: boolean }, options: { cancelRefetch: boolean }): Promise<void>
}

/**
 * Fetches queries again without ever discarding a fetch: when events come faster than answers, each query has one
 * request under way and at most one more to come.
 */
export class Refresh {
  readonly #client: QueryClientLike
  readonly #coalesceMs: number
  /** The keys that the current burst invalidates, by their text. */
  readonly #burst = new Map<string, QueryKey>()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** The queries whose fetch began before a change that its answer may lack. */
  readonly #again = new Set<QueryLike>()
  readonly #unwatch: () => void

  constructor(client: QueryClientLike, coalesceMs: number) {
    this.#client = client
    this.#coalesceMs = coalesceMs
    this.#unwatch = client.getQueryCache().subscribe(({ query }) => this.#follow(query))
  }

  /** Fetches the active queries of these keys soon, and the inactive ones when they become active. */
  invalidate(keys: readonly QueryKey[]): void {
    for (const key of keys) this.#burst.set(JSON.stringify(key), key)
    if (keys.length > 0) this.#timer ??= setTimeout(() => this.#flush(), this.#coalesceMs)
  }

  /**
   * Fetches queries of these keys again whose fetch is under way, because its answer would undo what was just written.
   */
  written(keys: readonly QueryKey[]): void {
    for (const queryKey of keys) {
      for (const query of this.#client.getQueryCache().findAll({ queryKey })) {
        if (query.state.fetchStatus === 'fetching') this.#again.add(query)
      }
    }
  }

  /** Ends refreshing; fetches that are under way are left alone. */
  end(): void {
    clearTimeout(this.#timer)
    this.#again.clear()
    this.#unwatch()
  }

  #flush(): void {
    this.#timer = undefined
    const keys = [...this.#burst.values()]
    this.#burst.clear()
    // A query that is invalidated during a fetch counts as fresh when the fetch ends. So those queries wait for its
    // end.
    this.written(keys)
    for (const queryKey of keys) void this.#client.invalidateQueries({ queryKey }, { cancelRefetch: false })
  }

  #follow(query: QueryLike): void {
    if (query.state.fetchStatus === 'fetching' || !this.#again.delete(query)) return
    void this.#client.invalidateQueries({ queryKey: query.queryKey, exact: true }, { cancelRefetch: false })
  }
}
