'use client'
import { useConnection, useLatest } from 'tidings/react'

export function Note({ channel, cursor }) {
  const { state } = useConnection()
  const { event } = useLatest(channel, { since: cursor })
  return <p>{`${state} ${event?.payload ?? 'none'}`}</p>
}
