// The code of an application that has registered the types of its channels, compiled as consumer.ts is: wrong lines
// must not compile, right ones must.
import { getTidings, segment, Tidings, type ChannelOf, type EventOn, type SubscriptionState, type TidingsClient, type TidingsEvent, type TidingsOptions } from 'tidings'
import { queueOffline } from 'tidings/offline'
import { QueryClient } from '@tanstack/query-core'
import { QueryClient as ReactQueryClient } from '@tanstack/react-query'
import { QueryClient as SvelteQueryClient } from '@tanstack/svelte-query'
import { QueryClient as VueQueryClient } from '@tanstack/vue-query'
import { syncQueries } from 'tidings/query'
import * as react from 'tidings/react'
import * as svelte from 'tidings/svelte'
import * as vue from 'tidings/vue'
import { ref } from 'vue'

interface Timer {
  id: number
  name: string
}
interface Channels {
  [timer: `timer:${string}`]:
    | { type: 'started'; payload: Timer }
    | { type: 'stopped'; payload: { at: string } }
    | { type: 'cleared' }
  [typing: `chat:${string}:typing`]: { who: string }
  news: string
}
interface Labels {
  inbox: { type: 'arrived'; payload: { subject: string } }
  [reminder: `reminder:${string}`]: { type: 'started'; payload: Timer } | { type: 'stopped'; payload: { at: string } }
  note: string
}
declare module 'tidings' {
  interface Register {
    channels: Channels
    labels: Labels
  }
}

const tidings: Tidings = getTidings()
declare const id: string

// A template, a literal, and the field that distinguishes the kinds of events.
tidings.subscribe(`timer:${id}`, (event) => {
  if (event.type === 'started') event.payload.name.trim()
  if (event.type === 'stopped') event.payload.at.trim()
  if (event.type === 'cleared') event.payload satisfies null
  // @ts-expect-error the payload is not known before the type is
  event.payload.name
  // @ts-expect-error there is no such type of event
  if (event.type === 'strated') return
})
tidings.subscribe('news', (event) => event.payload.trim())
tidings.on('inbox', (event) => event.payload.subject.trim())
// @ts-expect-error what is addressed under a label is on no channel
tidings.subscribe('inbox', () => {})
// @ts-expect-error nothing is addressed under the name of a channel
tidings.on('news', () => {})
tidings.subscribe(`chat:${id}:typing`, ({ payload }) => payload.who.trim())

// Patterns deliver the events of all channels that they match.
tidings.subscribe('timer:*', ({ type }) => type satisfies 'started' | 'stopped' | 'cleared')
tidings.subscribe('chat:*', ({ payload }) => payload.who.trim())
tidings.subscribe(`chat:${id}:*`, ({ payload }) => payload.who.trim())
// @ts-expect-error all channels bring all kinds
tidings.subscribe('*', ({ payload }) => payload.who)

// @ts-expect-error no such channel
tidings.subscribe('tiemr:u1', () => {})
// @ts-expect-error nothing is below it
tidings.subscribe('news:*', () => {})
// @ts-expect-error a foreign id is a string, which is not a channel yet
tidings.subscribe(segment(id), () => {})
// @ts-expect-error no such label
tidings.on('nwes', () => {})
tidings.presence('timer:*', ({ here }) => here.length)
// @ts-expect-error no such channel
tidings.presence('tiemr:1', () => {})
// @ts-expect-error the handler expects another payload
tidings.on('note', (event: TidingsEvent<number>) => event)

// Without registration, one client may have its own map.
const other = new Tidings<{ alarms: { level: 1 | 2 } }>()
other.subscribe('alarms', ({ payload }) => payload.level satisfies 1 | 2)
// @ts-expect-error of the other client's
other.subscribe('news', () => {})
// Its labels are its channels, unless it has a map of labels.
other.on('alarms', ({ payload }) => payload.level satisfies 1 | 2)
new Tidings<{ alarms: string }, { inbox: string }>().on('inbox', ({ payload }) => payload.trim())
export type Alarm = EventOn<{ alarms: { level: 1 | 2 } }, ChannelOf<{ alarms: { level: 1 | 2 } }>>

export function InReact(): void {
  react.useChannel(`timer:${id}`, (event) => event.type === 'started' && event.payload.name.trim())
  react.useChannel(id ? 'news' : null, ({ payload }) => payload.trim(), { since: '1f.42.9ab3' })
  react.useChannel('timer:1', { started: ({ payload }) => payload.name.trim() })
  react.useEvents('note', ({ payload }) => payload.trim())
  react.useEvents('reminder:*', { stopped: ({ payload }) => payload.at.trim() })
  react.useLatest('news').event?.payload.trim()
  // Under any label: `note`, which has no registered types, may deliver an event of this type as well.
  react.useEvents({ stopped: ({ payload }) => payload satisfies null | string | object })
  react.useConnection().state satisfies string
  react.useTidings().subscribe('news', () => {})
  react.usePresence('timer:*').here?.map(({ userId }) => userId.trim())
  // @ts-expect-error no such channel
  react.usePresence('tiemr:1')
  // @ts-expect-error no such channel
  react.useChannel('tiemr:1', () => {})
  // @ts-expect-error no such type of event on this channel
  react.useChannel('timer:1', { strated: () => {} })
  // @ts-expect-error the payload has no such field
  react.useChannel('timer:1', { started: ({ payload }) => payload.at })
  // @ts-expect-error no such label
  react.useEvents('nwes', () => {})
  // @ts-expect-error no such type of event
  react.useEvents('reminder:*', { strated: () => {} })
  // @ts-expect-error the payload is a string
  react.useLatest('news').event?.payload.id
}

export function inVue(): void {
  vue.useChannel(
    () => `timer:${id}`,
    (event) => event.type === 'started' && event.payload.name.trim(),
  )
  vue.useChannel(ref<'news' | null>(null), ({ payload }) => payload.trim())
  vue.useEvents('reminder:*', { stopped: ({ payload }) => payload.at.trim() })
  vue.useLatest('news').event.value?.payload.trim()
  vue.useConnection().state.value satisfies string
  vue.usePresence(() => (id ? 'news' : null)).here.value?.map(({ userId }) => userId.trim())
  // @ts-expect-error no such channel
  vue.usePresence('nwes')
  // @ts-expect-error no such type of event on this channel
  vue.useChannel('timer:1', { strated: () => {} })
  // @ts-expect-error the payload has no such field
  vue.useEvents('reminder:*', { started: ({ payload }) => payload.at })
  // @ts-expect-error no such channel
  vue.useChannel('tiemr:1', () => {})
  // @ts-expect-error no such channel
  vue.useChannel(() => `tiemr:${id}`, () => {})
  // @ts-expect-error no such label
  vue.useEvents('nwes', () => {})
  // @ts-expect-error the payload is a string
  vue.useLatest('news').event.value?.payload.id
}

export function inSvelte(): void {
  svelte.provideTidings(tidings)
  svelte.useChannel(
    () => `timer:${id}`,
    (event) => event.type === 'started' && event.payload.name.trim(),
  )
  svelte.useChannel(null, () => {})
  svelte.useEvents('reminder:*', { stopped: ({ payload }) => payload.at.trim() })
  svelte.useLatest('news').event?.payload.trim()
  svelte.useConnection().state satisfies string
  svelte.usePresence(() => (id ? 'news' : null)).here?.map(({ userId }) => userId.trim())
  // @ts-expect-error no such channel
  svelte.usePresence('nwes')
  // @ts-expect-error no such type of event on this channel
  svelte.useChannel('timer:1', { strated: () => {} })
  // @ts-expect-error the payload has no such field
  svelte.useEvents('reminder:*', { started: ({ payload }) => payload.at })
  // @ts-expect-error no such channel
  svelte.useChannel('tiemr:1', () => {})
  // @ts-expect-error no such channel
  svelte.useChannel(() => `tiemr:${id}`, () => {})
  // @ts-expect-error no such label
  svelte.useEvents('nwes', () => {})
  // @ts-expect-error the payload is a string
  svelte.useLatest('news').event?.payload.id
}

// Every hook of every binding returns its status in the same form.
export function stands(): void {
  const inReact: SubscriptionState[] = [
    react.useChannel('news', () => {}),
    react.useEvents('note', () => {}),
    react.useLatest('news'),
    react.usePresence('news'),
  ]
  const inSvelte: SubscriptionState[] = [
    svelte.useChannel('news', () => {}),
    svelte.useEvents('note', () => {}),
    svelte.useLatest('news'),
    svelte.usePresence('news'),
  ]
  const inVue: vue.Refs<SubscriptionState>[] = [
    vue.useChannel('news', () => {}),
    vue.useEvents('note', () => {}),
    vue.useLatest('news'),
    vue.usePresence('news'),
  ]
  const all = [...inReact, ...inSvelte, ...inVue.map(({ status, error }) => ({ status: status.value, error: error.value }))]
  for (const { status, error } of all) {
    status satisfies 'paused' | 'pending' | 'active' | 'failed'
    error?.code.trim()
  }
  // @ts-expect-error it is read-only
  inVue[0]!.status.value = 'active'
}
tidings.presence('news', () => {}, { onStatus: (status, error) => [status satisfies 'active' | 'failed', error?.code] })

export const synced: () => void = syncQueries(tidings, new QueryClient(), {
  channels: {
    'timer:*': { keys: [['timer']], invalidate: (event) => [['timer', event.type satisfies 'started' | 'stopped' | 'cleared']] },
    news: { keys: [['news']], patch: ({ payload }, client) => client.setQueryData(['news'], payload.trim()), since: '1f.42.9ab3' },
  },
  labels: { inbox: { keys: [['inbox']] } },
})
syncQueries(tidings, new QueryClient(), {
  channels: {
    // @ts-expect-error no such channel
    'tiemr:*': { keys: [['timer']] },
    // @ts-expect-error the payload is a string
    news: { keys: [['news']], invalidate: ({ payload }) => [[payload.id]] },
  },
})
// A channel that is known only at run time.
syncQueries(tidings, new QueryClient(), { channels: { [`timer:${id}`]: { keys: [['timer', id]] } } })
// The clients of the frameworks' packages fit as well.
syncQueries(tidings, new ReactQueryClient(), { channels: { news: { keys: [] } } })
syncQueries(tidings, new VueQueryClient(), { channels: { news: { keys: [] } } })
syncQueries(tidings, new SvelteQueryClient(), { channels: { news: { keys: [] } } })

// An absent option may be `undefined`, as settings from elsewhere are, under `exactOptionalPropertyTypes` too.
declare const setting: { url?: string; idleMs?: number }
export const options: TidingsOptions = { url: setting.url, idleMs: setting.idleMs, onGap: undefined, reconnect: { baseMs: undefined } }
tidings.subscribe('news', () => {}, { since: undefined, onGap: undefined })
queueOffline(tidings, { user: () => 'ana', name: undefined })
// @ts-expect-error the user may be another one later, so it is asked for
queueOffline(tidings, { user: 'ana' })

// Any object with the methods of a client is accepted as one.
export function wrapped(client: TidingsClient): TidingsClient {
  const own: TidingsClient = { ...client, connect: () => client.connect() }
  react.TidingsProvider({ client: own })
  svelte.provideTidings(own)
  vue.TidingsPlugin.install?.({} as never, { client: own })
  return own
}
