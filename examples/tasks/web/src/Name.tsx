import { type FormEvent, useState } from 'react'

interface Props {
  of: string
  rename: (text: string) => Promise<boolean>
}

/** A name that a click turns into a field. */
export function Name({ of, rename }: Props) {
  const [draft, setDraft] = useState<string>()
  async function save(event: FormEvent) {
    event.preventDefault()
    if (draft !== undefined && (await rename(draft))) setDraft(undefined)
  }
  if (draft === undefined) {
    return (
      <button type="button" className="name" title="Rename" onClick={() => setDraft(of)}>
        {of}
      </button>
    )
  }
  return (
    <form onSubmit={save}>
      <input
        className="field"
        aria-label={`New name of ${of}`}
        data-testid="rename"
        value={draft}
        onChange={(event) => setDraft(event.target.value)}
        onKeyDown={(event) => event.key === 'Escape' && setDraft(undefined)}
        required
        maxLength={200}
        autoFocus
      />
    </form>
  )
}
