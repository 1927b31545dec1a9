import { createRootRoute, HeadContent, Outlet, Scripts } from '@tanstack/react-router'
import { useState } from 'react'
import { Tidings } from 'tidings'
import { TidingsProvider } from 'tidings/react'

export const Route = createRootRoute({
  head: () => ({ links: [{ rel: 'icon', href: 'data:,' }] }),
  component: Root,
})

function Root() {
  const [client] = useState(() => new Tidings({ url: '/api/events?user=ana' }))
  return (
    <html lang="en">
      <head>
        <HeadContent />
      </head>
      <body>
        <TidingsProvider client={client}>
          <Outlet />
        </TidingsProvider>
        <Scripts />
      </body>
    </html>
  )
}
