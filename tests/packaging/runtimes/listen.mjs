// A service that listens. It prints the state of a client that has only a handler, and what a connected client
// received.
import { Tidings } from 'tidings'

export async function listen(hub, since, print) {
  const url = `${hub}/api/events?user=ana`
  const alone = await new Promise((resolve) => {
    const tidings = new Tidings({ url, onError: ({ code }) => resolve(code), onState: (state) => state === 'open' && resolve(state) })
    tidings.subscribe('note:42', () => {})
    tidings.subscribeState(() => ['open', 'closed'].includes(tidings.state) && setTimeout(() => tidings.disconnect()))
  })
  print(`alone: ${alone}`)
  const tidings = new Tidings({ url })
  tidings.connect()
  await new Promise((resolve) => {
    tidings.subscribe('note:42', ({ payload }) => (print(payload), resolve()), { since })
  })
  tidings.disconnect()
}

const [hub, since] = globalThis.Deno?.args ?? process.argv.slice(2)
if (hub) await listen(hub, since, (text) => console.log(text))
