import { attempt } from 'examples-web'
import { ref, type Ref, shallowRef } from 'vue'
import { useChannel } from 'tidings/vue'
import { call } from './tidings.ts'

type Resource = 'course' | 'booking'

/**
 * The rows of a table, for as long as the component is mounted. They are fetched again whenever the table changed, or
 * another table that its rows count.
 */
export function useTable<Row>(resource: Resource, ...counted: Resource[]): { rows: Ref<Row[]>; isPending: Ref<boolean>; refetch: () => Promise<void> } {
  const rows = shallowRef<Row[]>([])
  const isPending = ref(true)
  let latest = 0
  async function refetch(): Promise<void> {
    const mine = ++latest
    await attempt(async () => {
      const fresh = await call<Row[]>(`/tables/${resource}s`)
      // Only the answer to the latest request counts.
      if (mine !== latest) return
      rows.value = fresh
      isPending.value = false
    })
  }
  // Refetching on confirmation covers changes made before it; refetching on a gap covers the gap.
  for (const name of [resource, ...counted]) useChannel(`table:${name}`, refetch, { onReady: refetch, onGap: refetch })
  void refetch()
  return { rows, isPending, refetch }
}
