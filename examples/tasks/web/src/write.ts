import type { QueryClient } from '@tanstack/react-query'
import { attempt, refusal } from 'examples-web'
import { isQueued, queuedKey } from 'tidings/offline'
import { tidings } from './tidings.ts'
import { waiting } from './waiting.ts'

/** Every write of this page. `what` describes it in words, while it waits for the network. */
export const write = (queries: QueryClient, what: string, method: string, path: string, body: object = {}): Promise<boolean> =>
  attempt(async () => {
    const headers = { 'Content-Type': 'application/json' }
    const init = { method, headers, body: JSON.stringify(body), offline: 'queue' } as const
    const answer = await tidings.fetch(`../api${path}`, init)
    if (isQueued(answer)) waiting.add(queuedKey(answer)!, what)
    else if (!answer.ok) throw await refusal(answer)
    // Other tabs receive an event; this tab refetches.
    else await queries.invalidateQueries({ queryKey: ['projects'] })
  })
