import { useQuery } from '@tanstack/react-query'
import { call } from 'examples-web'
import type { Thread } from './channels.ts'

interface Props {
  chosen: number | undefined
  choose: (thread: Thread) => void
  online: ReadonlySet<string>
  user: string
}

/**
 * Conversations and groups, with the number of unread messages. The list is fetched once, and again when an event says
 * so.
 */
export function Sidebar({ chosen, choose, online, user }: Props) {
  const conversations = useQuery({ queryKey: ['conversations'], queryFn: () => call<Thread[]>('/conversations') })
  const groups = useQuery({ queryKey: ['groupchats'], queryFn: () => call<Thread[]>('/groupchats') })
  const threads = [...(conversations.data ?? []), ...(groups.data ?? [])]
  return (
    <section className="card" aria-labelledby="threads-heading">
      <h2 id="threads-heading">Conversations</h2>
      <nav className="stack threads" aria-label="Conversations">
        {threads.map((thread) => {
          const here = thread.members.some((member) => member !== user && online.has(member))
          return (
            <button
              key={thread.id}
              type="button"
              className="button thread"
              aria-pressed={thread.id === chosen}
              data-testid="thread"
              onClick={() => choose(thread)}
            >
              <span className={here ? 'presence here' : 'presence'} role="img" aria-label={here ? 'online' : 'offline'} data-testid="online" data-online={here} />
              <span className="grow">
                <b>{thread.isGroup ? `# ${thread.name}` : thread.name}</b>
                <span className="last">{thread.last ?? 'Nothing said yet'}</span>
              </span>
              {thread.unread > 0 && thread.id !== chosen && (
                <span className="badge" data-testid="unread" title="unread">
                  {thread.unread}
                </span>
              )}
            </button>
          )
        })}
      </nav>
      {threads.length === 0 && <p className="quiet">{conversations.isPending ? 'Loading …' : 'None yet.'}</p>}
    </section>
  )
}
