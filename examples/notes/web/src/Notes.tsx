import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { attempt, call } from 'examples-web'
import { type FormEvent, useEffect, useState } from 'react'
import type { Note } from './channels.ts'
import { syncRoom } from './tidings.ts'

const NONE: Note[] = []

/** The user's private notes, or those of a room. */
export function Notes({ room, user }: { room: string | null; user: string }) {
  const queries = useQueryClient()
  const key = ['notes', room]
  const path = room === null ? '/notes' : `/notes?room=${encodeURIComponent(room)}`
  const { data: notes = NONE, isPending } = useQuery({ queryKey: key, queryFn: () => call<Note[]>(path) })
  // The room's channel is subscribed to for as long as the room is shown.
  useEffect(() => (room === null ? undefined : syncRoom(queries, room)), [queries, room])

  const [text, setText] = useState('')
  const change = useMutation({
    // Other tabs receive an event; this tab has the answer.
    mutationFn: (act: () => Promise<unknown>) => attempt(act),
    onSettled: () => queries.invalidateQueries({ queryKey: key }),
  })
  async function add(event: FormEvent) {
    event.preventDefault()
    if (await change.mutateAsync(() => call('/notes', { body: { room, text } }))) setText('')
  }

  return (
    <section className="card" aria-labelledby="notes-heading">
      <h2 id="notes-heading">{room === null ? 'My notes' : `Notes of # ${room}`}</h2>
      <form className="line" onSubmit={add}>
        <label className="hidden" htmlFor="new-note">
          New note
        </label>
        <input
          className="field"
          id="new-note"
          data-testid="new-note"
          value={text}
          onChange={(event) => setText(event.target.value)}
          placeholder={room === null ? 'For me, everywhere' : 'For everybody in the room'}
          required
          maxLength={2000}
          autoComplete="off"
        />
        <button className="button primary" data-testid="add-note" disabled={change.isPending}>
          Add
        </button>
      </form>
      <ul>
        {notes.map((note) => (
          <NoteRow key={note.id} note={note} mine={note.owner === user} change={change.mutateAsync} />
        ))}
      </ul>
      {notes.length === 0 && <p className="quiet">{isPending ? 'Loading …' : 'Nothing yet.'}</p>}
    </section>
  )
}

interface RowProps {
  note: Note
  mine: boolean
  change: (act: () => Promise<unknown>) => Promise<boolean>
}

function NoteRow({ note, mine, change }: RowProps) {
  const [draft, setDraft] = useState<string>()
  async function save(event: FormEvent) {
    event.preventDefault()
    if (await change(() => call(`/notes/${note.id}`, { method: 'PUT', body: { text: draft } }))) setDraft(undefined)
  }
  if (draft !== undefined) {
    return (
      <li className="row">
        <form className="line grow" onSubmit={save}>
          <input
            className="field"
            aria-label="Text of the note"
            data-testid="edit-note"
            value={draft}
            onChange={(event) => setDraft(event.target.value)}
            onKeyDown={(event) => event.key === 'Escape' && setDraft(undefined)}
            required
            maxLength={2000}
            autoFocus
          />
          <button className="button small primary" data-testid="save-note">
            Save
          </button>
        </form>
      </li>
    )
  }
  return (
    <li className="row" data-testid="note">
      <span className="grow">
        <span data-testid="note-text">{note.text}</span>
        {!mine && <span className="quiet by"> by {note.owner}</span>}
      </span>
      <button type="button" className="button small" aria-label={`Edit: ${note.text}`} onClick={() => setDraft(note.text)}>
        Edit
      </button>
      <button
        type="button"
        className="button small"
        aria-label={`Delete: ${note.text}`}
        onClick={() => void change(() => call(`/notes/${note.id}`, { method: 'DELETE' }))}
      >
        Delete
      </button>
    </li>
  )
}
