import { useQuery, useQueryClient } from '@tanstack/react-query'
import { attempt, call, notice } from 'examples-web'
import { type FormEvent, useState } from 'react'
import type { Friends as List } from './channels.ts'

/** Friends, friend requests, and groups of friends. */
export function Friends({ online }: { online: ReadonlySet<string> }) {
  const queries = useQueryClient()
  const { data } = useQuery({ queryKey: ['friends'], queryFn: () => call<List>('/friends') })
  const [name, setName] = useState('')
  const [group, setGroup] = useState('')
  const [chosen, setChosen] = useState<string[]>([])

  async function ask(event: FormEvent) {
    event.preventDefault()
    if (!(await attempt(() => call('/friends/request', { body: { user: name } })))) return
    notice(`${name} has been asked.`)
    setName('')
  }

  async function answer(id: number, accept: boolean) {
    await attempt(() => call(`/friends/request/${id}`, { method: 'PUT', body: { accept } }))
    for (const key of ['friends', 'conversations']) void queries.invalidateQueries({ queryKey: [key] })
  }

  async function create(event: FormEvent) {
    event.preventDefault()
    if (!(await attempt(() => call('/groupchats', { body: { name: group, members: chosen } })))) return
    setGroup('')
    setChosen([])
    void queries.invalidateQueries({ queryKey: ['groupchats'] })
  }

  const toggle = (friend: string) =>
    setChosen(chosen.includes(friend) ? chosen.filter((other) => other !== friend) : [...chosen, friend])

  return (
    <section className="card" aria-labelledby="friends-heading">
      <h2 id="friends-heading">Friends</h2>
      <ul>
        {data?.requests.map(({ id, sender }) => (
          <li className="row" key={id} data-testid="request">
            <span className="grow">{sender} asks</span>
            <button type="button" className="button small primary" onClick={() => void answer(id, true)}>
              Accept<span className="hidden"> {sender}</span>
            </button>
            <button type="button" className="button small" onClick={() => void answer(id, false)}>
              Decline<span className="hidden"> {sender}</span>
            </button>
          </li>
        ))}
        {data?.friends.map((friend) => (
          <li className="row" key={friend} data-testid="friend" data-online={online.has(friend)}>
            <label className="grow">
              <input type="checkbox" checked={chosen.includes(friend)} onChange={() => toggle(friend)} /> {friend}
            </label>
            <span className="quiet">{online.has(friend) ? 'online' : 'away'}</span>
          </li>
        ))}
      </ul>
      <form className="line" onSubmit={ask}>
        <label className="hidden" htmlFor="friend">
          Name of a friend
        </label>
        <input className="field" id="friend" data-testid="friend-name" value={name} onChange={(event) => setName(event.target.value)} placeholder="Name" required maxLength={64} autoComplete="off" autoCapitalize="none" />
        <button className="button small" data-testid="ask">
          Ask
        </button>
      </form>
      {chosen.length > 0 && (
        <form className="line" onSubmit={create}>
          <label className="hidden" htmlFor="group">
            Name of the group
          </label>
          <input className="field" id="group" data-testid="group-name" value={group} onChange={(event) => setGroup(event.target.value)} placeholder={`Group with ${chosen.join(', ')}`} required maxLength={64} autoComplete="off" />
          <button className="button small" data-testid="create-group">
            Create
          </button>
        </form>
      )}
    </section>
  )
}
