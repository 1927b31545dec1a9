import { Live } from './live'

export default function Layout({ children }) {
  return (
    <html lang="en">
      <head>
        <link rel="icon" href="data:," />
      </head>
      <body>
        <Live>{children}</Live>
      </body>
    </html>
  )
}
