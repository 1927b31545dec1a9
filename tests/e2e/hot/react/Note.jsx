import { useConnection, useLatest } from 'tidings/react'

export function Note() {
  const { state } = useConnection()
  const latest = useLatest('note:42')
  return <p>{`${state} ${latest?.payload ?? 'none'}`}</p>
}
