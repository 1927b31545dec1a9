import { useConnection, useLatest } from 'tidings/react'

export function Note() {
  const { state } = useConnection()
  const { event } = useLatest('note:42')
  return <p>{`${state} ${event?.payload ?? 'none'}`}</p>
}
