import { type FormEvent, useId, useState } from 'react'

interface Props {
  label: string
  testid: string
  /** Resolves with whether it succeeded; the field is then cleared. */
  add: (text: string) => Promise<boolean>
}

/** One field and a button. */
export function AddForm({ label, testid, add }: Props) {
  const id = useId()
  const [text, setText] = useState('')
  async function submit(event: FormEvent) {
    event.preventDefault()
    if (await add(text)) setText('')
  }
  return (
    <form className="line add" onSubmit={submit}>
      <label className="hidden" htmlFor={id}>
        {label}
      </label>
      <input
        className="field"
        id={id}
        data-testid={testid}
        placeholder={label}
        value={text}
        onChange={(event) => setText(event.target.value)}
        required
        maxLength={200}
        autoComplete="off"
      />
      <button className="button small" data-testid={`${testid}-add`}>
        Add<span className="hidden"> {label}</span>
      </button>
    </form>
  )
}
