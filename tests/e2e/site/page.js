// A page as an application would write it: the published package in a plain module script, without a bundler. The
// client's reports are kept where a test can read them.
import { Tidings } from '/tidings/index.js'

/** @type {import('./globals.d.ts').Told} */
const told = { states: [], gaps: [], errors: [], revoked: [], heard: {}, seen: [] }
globalThis.told = told

globalThis.start = (options = {}) => {
  globalThis.tidings = new Tidings({
    url: '/api/events?user=ana',
    reconnect: { baseMs: 20, capMs: 200 },
    onState: (state, { attempt, nextRetryMs }) => told.states.push({ state, attempt, nextRetryMs }),
    onGap: (channels, reason) => told.gaps.push({ channels, reason }),
    onError: ({ code, status, willRetry, channel }) => told.errors.push({ code, status, willRetry, channel }),
    ...(globalThis.token && { token: globalThis.token }),
    ...options,
  })
}

/** @type {import('./globals.d.ts').Hear} */
globalThis.hear = (channel, { as = channel, since } = {}) => {
  /** @type {unknown[]} */
  const heard = (told.heard[as] = [])
  return tidings.subscribe(channel, (event) => heard.push(event.payload), {
    ...(since !== undefined && { since }),
    onRevoked: (code) => told.revoked.push({ channel, code }),
  })
}

/** @param {string} channel */
globalThis.see = (channel) => tidings.presence(channel, (presence) => told.seen.push(presence))

globalThis.ready = true
