import { useQuery, useQueryClient } from '@tanstack/react-query'
import { attempt, call } from 'examples-web'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import type { Message, Thread } from './channels.ts'
import { addMessage } from './tidings.ts'

const NONE: Message[] = []

/** One thread. Its messages are fetched when it is opened; afterwards each message arrives as an event. */
export function Messages({ thread, user }: { thread: Thread; user: string }) {
  const queries = useQueryClient()
  const kind = thread.isGroup ? 'groupchats' : 'conversations'
  const path = `/${kind}/${thread.id}/messages`
  const { data: messages = NONE, isPending } = useQuery({
    queryKey: ['messages', thread.id],
    queryFn: () => call<Message[]>(path),
  })
  const [text, setText] = useState('')
  const end = useRef<HTMLLIElement>(null)

  // Messages that are shown count as read.
  const last = messages.at(-1)?.id
  useEffect(() => {
    end.current?.scrollIntoView({ block: 'nearest' })
    if (last === undefined) return
    void call(`/threads/${thread.id}/read`, { method: 'POST' }).then(
      () => queries.invalidateQueries({ queryKey: [kind] }),
      () => {}, // the next message tries again
    )
  }, [last, thread.id, kind, queries])

  async function send(event: FormEvent) {
    event.preventDefault()
    await attempt(async () => {
      addMessage(queries, await call<Message>(path, { body: { text } }))
      setText('')
      await queries.invalidateQueries({ queryKey: [kind] })
    })
  }
  return (
    <section className="card messages" aria-labelledby="thread-heading">
      <h2 id="thread-heading">
        {thread.isGroup ? `# ${thread.name}` : thread.name} {thread.isGroup && <span className="quiet">{thread.members.join(', ')}</span>}
      </h2>
      <ol aria-live="polite" tabIndex={0} aria-label="Messages">
        {messages.map(({ id, sender, text: said, sentAt }) => (
          <li key={id} className={sender === user ? 'message mine' : 'message'} data-testid="message">
            <span className="quiet">
              {sender}, {new Date(sentAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}
            </span>
            <span data-testid="message-text">{said}</span>
          </li>
        ))}
        <li ref={end} className="end" aria-hidden="true" />
      </ol>
      {messages.length === 0 && <p className="quiet">{isPending ? 'Loading …' : 'Say hello.'}</p>}
      <form className="line" onSubmit={send}>
        <label className="hidden" htmlFor="text">
          Message
        </label>
        <input
          className="field"
          id="text"
          data-testid="text"
          value={text}
          onChange={(event) => setText(event.target.value)}
          placeholder="Message"
          required
          maxLength={4000}
          autoComplete="off"
        />
        <button className="button primary" data-testid="send">
          Send
        </button>
      </form>
    </section>
  )
}
