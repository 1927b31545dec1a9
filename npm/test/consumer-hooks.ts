// The hooks, as an application without registered types uses them; compiled as consumer.ts is.
import type { TidingsEvent } from 'tidings'
import * as react from 'tidings/react'
import * as svelte from 'tidings/svelte'
import * as vue from 'tidings/vue'

interface Timer {
  id: number
}

export function InReact(): void {
  react.useChannel<Timer>('timer:u1', ({ payload }) => payload.id.toFixed())
  react.useChannel('timer:u1', (event: TidingsEvent<Timer>) => event.payload.id.toFixed())
  react.useChannel<Timer>('timer:u1', { started: ({ payload }) => payload.id.toFixed() })
  react.useEvents<Timer>('timer', ({ payload }) => payload.id.toFixed())
  react.useLatest<Timer>('timer:u1').event?.payload.id.toFixed()
  // @ts-expect-error a payload of no declared type is unknown
  react.useLatest('timer:u1').event?.payload.id
  // @ts-expect-error neither a channel nor a pause
  react.useChannel(undefined, () => {})
}

export function inVue(): void {
  vue.useChannel<Timer>(() => null, ({ payload }) => payload.id.toFixed())
  vue.useEvents<Timer>({ started: ({ payload }) => payload.id.toFixed() })
  vue.useLatest<Timer>('timer:u1').event.value?.payload.id.toFixed()
  // @ts-expect-error it is read-only
  vue.useLatest<Timer>('timer:u1').event.value = undefined
}

export function inSvelte(): void {
  svelte.useChannel<Timer>(() => null, ({ payload }) => payload.id.toFixed())
  svelte.useEvents<Timer>({ started: ({ payload }) => payload.id.toFixed() })
  svelte.useLatest<Timer>('timer:u1').event?.payload.id.toFixed()
  // @ts-expect-error it is read-only
  svelte.useConnection().state = 'open'
}
