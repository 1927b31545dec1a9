'use client'
import { useConnection, useLatest } from 'tidings/react'

export function Note({ channel }) {
  const { state } = useConnection()
  const latest = useLatest(channel)
  return <p>{`${state} ${latest?.payload ?? 'none'}`}</p>
}
