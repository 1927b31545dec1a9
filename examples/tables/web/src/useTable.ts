import { attempt } from 'examples-web'
import { ref, type Ref, shallowRef } from 'vue'
import { useChannel } from 'tidings/vue'
import { call } from './tidings.ts'

type Resource = 'course' | 'booking'

/**
 * The rows of a table, fetched again whenever it changed, or another one that its rows count, for as long as the component is
 * mounted.
 */
export function useTable<Row>(resource: Resource, ...counted: Resource[]): { rows: Ref<Row[]>; isPending: Ref<boolean>; refetch: () => Promise<void> } {
  const rows = shallowRef<Row[]>([])
  const isPending = ref(true)
  let latest = 0
  async function refetch(): Promise<void> {
    const mine = ++latest
    await attempt(async () => {
      const fresh = await call<Row[]>(`/tables/${resource}s`)
      // Of two answers the one that was asked for last counts.
      if (mine !== latest) return
      rows.value = fresh
      isPending.value = false
    })
  }
  // What changed before the server has confirmed the subscription is fetched then; after a gap as well.
  for (const name of [resource, ...counted]) useChannel(`table:${name}`, refetch, { onReady: refetch, onGap: refetch })
  void refetch()
  return { rows, isPending, refetch }
}
