'use client'
import { useState } from 'react'
import { Tidings } from 'tidings'
import { TidingsProvider } from 'tidings/react'

export function Live({ children }) {
  const [client] = useState(() => new Tidings({ url: '/api/events?user=ana' }))
  return <TidingsProvider client={client}>{children}</TidingsProvider>
}
