import { useQuery, useQueryClient } from '@tanstack/react-query'
import { attempt, call } from 'examples-web'
import { useState } from 'react'
import type { Notification } from './channels.ts'

/** The number of unread notifications. They are fetched once; every further one arrives as an event. */
export function NotificationBell() {
  const queries = useQueryClient()
  const [open, setOpen] = useState(false)
  const { data: all = [] } = useQuery({ queryKey: ['notifications'], queryFn: () => call<Notification[]>('/notifications') })
  const unread = all.filter(({ read }) => !read).length

  async function toggle() {
    setOpen(!open)
    if (open || unread === 0) return
    const read = await attempt(() => call('/notifications/read', { method: 'POST' }))
    if (read) void queries.invalidateQueries({ queryKey: ['notifications'] })
  }
  return (
    <section className="card" aria-label="Notifications">
      <button type="button" className="button small bell" aria-expanded={open} data-testid="bell" onClick={() => void toggle()}>
        <svg viewBox="0 0 20 20" width="18" height="18" fill="none" stroke="currentColor" strokeWidth="1.6" aria-hidden="true">
          <path d="M10 2.5a5 5 0 0 0-5 5c0 5-2 6-2 6h14s-2-1-2-6a5 5 0 0 0-5-5zM8 16.5a2 2 0 0 0 4 0" />
        </svg>
        Notifications
        {unread > 0 && (
          <span className="badge" data-testid="bell-count">
            {unread}
          </span>
        )}
      </button>
      {open && (
        <ul>
          {all.map(({ id, text }) => (
            <li className="row" key={id} data-testid="notification">
              <span className="grow">{text}</span>
            </li>
          ))}
          {all.length === 0 && <li className="row quiet">Nothing yet.</li>}
        </ul>
      )}
    </section>
  )
}
