// An application's code, compiled against the packed package in every module system (packaging.test.ts): the test is
// that it compiles, and that the wrong lines do not.
import {
  configureTidings,
  getTidings,
  segment,
  Tidings,
  TidingsError,
  type ConnectionState,
  type Stop,
  type TidingsEvent,
} from 'tidings'
import { Tidings as Inline } from 'tidings/inline'

interface Timer {
  id: number
}

const tidings: Tidings = new Tidings({
  url: '/api/events',
  reconnect: { baseMs: 500, maxAttempts: 10 },
  onState: (state, { attempt, nextRetryMs }) => console.log(state, attempt, nextRetryMs?.toFixed()),
  onGap: (channels, reason) => console.log(channels?.join(), reason.length),
  onError: ({ code, status, willRetry }) => console.log(code.length, status?.toFixed(), willRetry === true),
})
export const inline: Inline = new Inline()
export const loaded: Promise<void> = tidings.preload()

export const stop: Stop = tidings.subscribe<Timer>(`timer:${segment('a:b')}`, (event: TidingsEvent<Timer>) => {
  const id: number = event.payload.id
  // @ts-expect-error a payload has the type that was asked for
  event.payload.name
  return id
})
export const ready: Promise<void> = stop.ready
stop()

tidings.on('timer', (event) => {
  // @ts-expect-error a payload of no declared type is unknown
  event.payload.id
  // @ts-expect-error events are shared by all handlers
  event.type = 'other'
})
tidings.subscribe('a', () => {}, { since: '1f.42.9ab3', onGap: () => {} })

export const state: ConnectionState = tidings.state
export const headers: Record<'X-Device-Id' | 'X-Session-Id', string> = tidings.headers()
export const response: Promise<Response> = tidings.fetch('/api', { method: 'POST', identify: true })
export const leave: () => void = tidings.subscribeState(() => tidings.getSnapshot().lastError?.code)
// @ts-expect-error reconnect is false or options
new Tidings({ reconnect: true })
// @ts-expect-error the state is read-only
tidings.state = 'open'

configureTidings({ credentials: 'include', idleMs: 60_000 })
export const app: Tidings = getTidings()
export const isOurs = (error: unknown): boolean => error instanceof TidingsError && error.code === 'wasmBlocked'
