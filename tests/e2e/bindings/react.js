import { createElement, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { TidingsProvider, useConnection, useLatest } from 'tidings/react'
import { client } from './client.js'

function Note() {
  const { state } = useConnection()
  const { event } = useLatest('note:42')
  return createElement('p', null, `${state} ${event?.payload ?? 'none'}`)
}

const root = createRoot(document.body)
root.render(createElement(StrictMode, null, createElement(TidingsProvider, { client }, createElement(Note))))
globalThis.leave = () => root.unmount()
