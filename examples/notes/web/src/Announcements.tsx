import { useQuery, useQueryClient } from '@tanstack/react-query'
import { attempt, call, notice } from 'examples-web'
import { type FormEvent, useState } from 'react'
import { useChannel } from 'tidings/react'
import type { Announcement } from './channels.ts'

/** The announcements to every user. */
export function Announcements({ user }: { user: string }) {
  const queries = useQueryClient()
  const { data = [] } = useQuery({ queryKey: ['announcements'], queryFn: () => call<Announcement[]>('/announcements') })
  useChannel(`notification:${user}`, ({ payload }) => notice(`${payload.user}: ${payload.text}`, 'announced'))

  const [text, setText] = useState('')
  async function say(event: FormEvent) {
    event.preventDefault()
    if (!(await attempt(() => call('/announcements', { body: { text } })))) return
    setText('')
    void queries.invalidateQueries({ queryKey: ['announcements'] })
  }
  return (
    <section className="card" aria-labelledby="announcements-heading">
      <h2 id="announcements-heading">To everybody</h2>
      <form className="line" onSubmit={say}>
        <label className="hidden" htmlFor="announcement">
          Announcement
        </label>
        <input
          className="field"
          id="announcement"
          data-testid="announcement"
          value={text}
          onChange={(event) => setText(event.target.value)}
          placeholder="Dinner is ready"
          required
          maxLength={2000}
          autoComplete="off"
        />
        <button className="button" data-testid="announce">
          Say
        </button>
      </form>
      <ul>
        {data.map(({ id, user: who, text: said }) => (
          <li className="row" key={id} data-testid="announcement-row">
            <span className="grow">
              <b>{who}</b> {said}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
