// The page: it carries out commands, and reports everything that its client reports, in that order.
import { Tidings } from '/chaos/tidings.js'

let client
const stops = new Map()
let batch = []

/** Reports are sent in batches, because each crossing into the other process costs more than an event. */
function tell(told) {
  batch.push(told)
  if (batch.length > 1) return
  setTimeout(() => {
    globalThis.tell(batch)
    batch = []
  }, 20)
}

const deeds = {
  start({ user, deviceId }) {
    client = new Tidings({
      url: `/api/events?user=${user}`,
      deviceId,
      // The delays are short, because a run is short.
      reconnect: { baseMs: 50, capMs: 1000 },
      onState: (state) => tell({ state: { state } }),
      onGap: (channels, reason) => tell({ gaps: { all: channels === null, reason } }),
      onError: ({ code, willRetry }) => tell({ error: { code, willRetry } }),
    })
    return client.sessionId
  },
  listen({ handler, addressed, pattern, since }) {
    const heard = ({ payload, cursor }) => tell({ heard: { handler, payload, cursor } })
    const onGap = (_, reason) => tell({ gap: { handler, reason } })
    const stop = addressed
      ? client.on(pattern, heard)
      : client.subscribe(pattern, heard, { onGap, ...(since && { since }) })
    stop.ready.then(
      () => tell({ settled: { handler } }),
      ({ code }) => tell({ refused: { handler, code } }),
    )
    stops.set(handler, stop)
  },
  stop({ handler }) {
    stops.get(handler)()
    stops.delete(handler)
  },
  reconnect() {
    client.disconnect()
    client.connect()
  },
}

globalThis.obey = (command) => {
  const [[name, details]] = Object.entries(command)
  return deeds[name](details)
}
