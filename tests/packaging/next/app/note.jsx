'use client'
import { useConnection, useLatest } from 'tidings/react'

export function Note({ channel, cursor }) {
  const { state } = useConnection()
  const latest = useLatest(channel, { since: cursor })
  return <p>{`${state} ${latest?.payload ?? 'none'}`}</p>
}
