import { TidingsProvider } from 'tidings/react'
import { client } from './client.js'
import { Note } from './Note.jsx'

export function App() {
  return (
    <TidingsProvider client={client}>
      <Note />
    </TidingsProvider>
  )
}
