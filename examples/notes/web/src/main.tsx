import { QueryClientProvider } from '@tanstack/react-query'
import { shell } from 'examples-web'
import 'examples-web/base.css'
import { createRoot } from 'react-dom/client'
import { TidingsProvider } from 'tidings/react'
import { App } from './App.tsx'
import './notes.css'
import { newQueries, syncAll, tidings } from './tidings.ts'

shell({
  title: 'Notes',
  lead: 'Your own on every device, those of a room with everybody in it.',
  tidings,
  mount(element, user) {
    const queries = newQueries()
    const stop = syncAll(queries, user)
    const root = createRoot(element)
    root.render(
      <QueryClientProvider client={queries}>
        <TidingsProvider client={tidings}>
          <App user={user} />
        </TidingsProvider>
      </QueryClientProvider>,
    )
    return () => {
      stop()
      root.unmount()
    }
  },
})
