import { createFileRoute } from '@tanstack/react-router'
import { useConnection, useLatest } from 'tidings/react'

export const Route = createFileRoute('/')({ component: Note })

function Note() {
  const { state } = useConnection()
  const latest = useLatest('note:42')
  return <p>{`${state} ${latest?.payload ?? 'none'}`}</p>
}
