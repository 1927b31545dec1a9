/** A key of a query, or how it begins. */
export type QueryKey = readonly unknown[]

/** Of a query, what matters here. */
export interface QueryLike {
  readonly queryKey: QueryKey
  readonly state: { readonly fetchStatus: 'fetching' | 'paused' | 'idle' }
}

/** TanStack Query's `QueryClient`, as far as it is used: so that every framework's own fits, and none has to be installed. */
export interface QueryClientLike {
  getQueryCache(): {
    findAll(filters: { queryKey: QueryKey }): QueryLike[]
    subscribe(listener: (event: { query: QueryLike }) => void): () => void
  }
  invalidateQueries(filters: { queryKey: QueryKey; exact?: boolean }, options: { cancelRefetch: boolean }): Promise<void>
}

/**
 * Fetches queries again without ever throwing a fetch away: under events that come faster than answers, each query has one
 * request under way and at most one more to come.
 */
export class Refresh {
  readonly #client: QueryClientLike
  readonly #coalesceMs: number
  /** What the present burst invalidates, by the text of the key. */
  readonly #burst = new Map<string, QueryKey>()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Queries whose fetch began before something that its answer may lack. */
  readonly #again = new Set<QueryLike>()
  readonly #unwatch: () => void

  constructor(client: QueryClientLike, coalesceMs: number) {
    this.#client = client
    this.#coalesceMs = coalesceMs
    this.#unwatch = client.getQueryCache().subscribe(({ query }) => this.#follow(query))
  }

  /** Fetches what is shown of these keys anew, soon; what is not shown, when it is. */
  invalidate(keys: readonly QueryKey[]): void {
    for (const key of keys) this.#burst.set(JSON.stringify(key), key)
    if (keys.length > 0) this.#timer ??= setTimeout(() => this.#flush(), this.#coalesceMs)
  }

  /** Somebody wrote to the queries of these keys: an answer that is under way would undo it. */
  written(keys: readonly QueryKey[]): void {
    for (const queryKey of keys) {
      for (const query of this.#client.getQueryCache().findAll({ queryKey })) {
        if (query.state.fetchStatus === 'fetching') this.#again.add(query)
      }
    }
  }

  /** Ends it; what is under way is left alone. */
  end(): void {
    clearTimeout(this.#timer)
    this.#again.clear()
    this.#unwatch()
  }

  #flush(): void {
    this.#timer = undefined
    const keys = [...this.#burst.values()]
    this.#burst.clear()
    // Invalidated in the midst of a fetch, a query counts as fresh when that ends. So those wait for their turn.
    this.written(keys)
    for (const queryKey of keys) void this.#client.invalidateQueries({ queryKey }, { cancelRefetch: false })
  }

  #follow(query: QueryLike): void {
    if (query.state.fetchStatus === 'fetching' || !this.#again.delete(query)) return
    void this.#client.invalidateQueries({ queryKey: query.queryKey, exact: true }, { cancelRefetch: false })
  }
}
