import { useQuery } from '@tanstack/react-query'
import { call } from 'examples-web'
import { useState } from 'react'
import { Announcements } from './Announcements.tsx'
import { Notes } from './Notes.tsx'

export function App({ user }: { user: string }) {
  const [room, setRoom] = useState<string | null>(null)
  const rooms = useQuery({ queryKey: ['rooms'], queryFn: () => call<string[]>('/rooms') })
  return (
    <div className="columns">
      <div className="stack">
        <nav className="tabs" aria-label="Where">
          {[null, ...(rooms.data ?? [])].map((name) => (
            <button
              key={name}
              type="button"
              className="button small"
              aria-pressed={room === name}
              data-testid={`room-${name ?? 'own'}`}
              onClick={() => setRoom(name)}
            >
              {name === null ? 'My notes' : `# ${name}`}
            </button>
          ))}
        </nav>
        <Notes key={room} room={room} user={user} />
      </div>
      <Announcements user={user} />
    </div>
  )
}
