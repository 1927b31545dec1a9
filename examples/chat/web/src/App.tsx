import { useState } from 'react'
import { useChannel, usePresence } from 'tidings/react'
import type { Thread } from './channels.ts'
import { Friends } from './Friends.tsx'
import { Messages } from './Messages.tsx'
import { NotificationBell } from './NotificationBell.tsx'
import { Sidebar } from './Sidebar.tsx'

export function App({ user }: { user: string }) {
  const [thread, setThread] = useState<Thread>()
  // Every user who has the app open subscribes to this channel, and is therefore online.
  useChannel('people', () => {})
  const { here = [] } = usePresence('people')
  const online = new Set(here.map(({ userId }) => userId))
  return (
    <div className="columns side-first">
      <div className="stack">
        <NotificationBell />
        <Sidebar chosen={thread?.id} choose={setThread} online={online} user={user} />
        <Friends online={online} />
      </div>
      {thread ? (
        <Messages key={thread.id} thread={thread} user={user} />
      ) : (
        <section className="card quiet" data-testid="no-thread">
          Choose a conversation, or make a friend by name.
        </section>
      )}
    </div>
  )
}
