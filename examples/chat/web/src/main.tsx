import { QueryClientProvider } from '@tanstack/react-query'
import { shell } from 'examples-web'
import 'examples-web/base.css'
import { createRoot } from 'react-dom/client'
import { TidingsProvider } from 'tidings/react'
import { App } from './App.tsx'
import './chat.css'
import { newQueries, sync, tidings } from './tidings.ts'

shell({
  title: 'Chat',
  lead: 'With friends, by twos and in groups.',
  tidings,
  mount(element, user) {
    const queries = newQueries()
    const stop = sync(queries)
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
