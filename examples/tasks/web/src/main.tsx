import { QueryClientProvider } from '@tanstack/react-query'
import { shell } from 'examples-web'
import 'examples-web/base.css'
import { createRoot } from 'react-dom/client'
import { App } from './App.tsx'
import './tasks.css'
import { keepOffline, newQueries, sync, tidings } from './tidings.ts'

shell({
  title: 'Tasks',
  lead: 'Projects that several share, and that go on without a network.',
  tidings,
  mount(element, user) {
    const queries = newQueries()
    const stop = sync(queries)
    const queue = keepOffline(queries, user)
    const root = createRoot(element)
    root.render(
      <QueryClientProvider client={queries}>
        <App user={user} />
      </QueryClientProvider>,
    )
    return () => {
      stop()
      queue.stop()
      root.unmount()
    }
  },
})
