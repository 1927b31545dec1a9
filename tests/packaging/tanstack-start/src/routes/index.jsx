import { createFileRoute } from '@tanstack/react-router'
import { createServerFn } from '@tanstack/react-start'
import { useConnection, useLatest } from 'tidings/react'

/** From where the browser is to hear. A page that also loads data does so after this. */
const takeCursor = createServerFn().handler(async () => (await fetch(`${process.env.HUB}/cursor`)).text())

export const Route = createFileRoute('/')({ component: Note, loader: () => takeCursor() })

function Note() {
  const { state } = useConnection()
  const { event } = useLatest('note:42', { since: Route.useLoaderData() })
  return <p>{`${state} ${event?.payload ?? 'none'}`}</p>
}
