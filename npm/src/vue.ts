/**
 * Tidings in Vue 3. A component hears events for as long as it is mounted; nothing happens on a server.
 *
 * ```ts
 * createApp(App).use(TidingsPlugin, { client: new Tidings({ url: '/api/events' }) }).mount('#app')
 *
 * // <script setup>
 * const { id } = defineProps<{ id: string }>()
 * const { state } = useConnection()
 * useChannel(() => `note:${id}`, (event) => console.log(event.payload))
 * ```
 *
 * @module
 */
import {
  computed,
  getCurrentInstance,
  getCurrentScope,
  inject,
  onMounted,
  onScopeDispose,
  shallowReadonly,
  shallowRef,
  toValue,
  watch,
  type ComputedRef,
  type InjectionKey,
  type MaybeRefOrGetter,
  type ObjectPlugin,
  type ShallowRef,
} from 'vue'
import { type AnyTidings, type Heard, IDLE, labelled, listen, noProvider, type Wanted } from './binding.ts'
import type { ChannelOf, ChannelOptions, EventOn, Handlers, HandlersByType, LatestOn, RegisteredChannels, RegisteredLabels } from './channels.ts'
import type { TidingsClient } from './contract.ts'
import type { ConnectionSnapshot, Member, TidingsEvent, Verb } from './types.ts'

const KEY: InjectionKey<AnyTidings> = Symbol('tidings')

/** Gives a client to all components: `app.use(TidingsPlugin, { client })`. It does not own it: unmounting ends nothing. */
export const TidingsPlugin: ObjectPlugin<[{ client: AnyTidings }]> = {
  install: (app, { client }) => void app.provide(KEY, client),
}

/**
 * The client. Call it in `setup`.
 *
 * @throws a {@link TidingsError} `noProvider` in an app without the plugin
 */
export function useTidings(): TidingsClient {
  const client = inject(KEY, null)
  if (!client) throw noProvider('call app.use(TidingsPlugin, { client: tidings })')
  return client as TidingsClient
}

/** Runs once the page shows the component, in the scope that called: what it begins there ends with that scope. */
function whenMounted(begin: () => void): void {
  const scope = getCurrentScope()
  if (getCurrentInstance()) onMounted(() => scope?.run(begin))
  else begin()
}

function useListener(verb: Verb, given: () => Wanted, changed?: () => void): void {
  const tidings = useTidings()
  const heard: Heard = new Map()
  const wanted = (): Wanted => ({ ...given(), ...(changed && { forget: changed }) })
  whenMounted(() =>
    watch(
      () => wanted().channel,
      (_, before, onCleanup) => {
        if (before !== undefined) changed?.()
        const stop = listen(tidings, verb, wanted, heard)
        if (stop) onCleanup(stop)
      },
      // At once: an event between a change and its effect would be the wrong channel's.
      { immediate: true, flush: 'sync' },
    ),
  )
}

/** {@link useChannel}. */
export type UseChannel<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(
      channel: MaybeRefOrGetter<string | null>,
      handler: Handlers<TidingsEvent<T>>,
      options?: MaybeRefOrGetter<ChannelOptions>,
    ) => void
  : <K extends ChannelOf<C>>(
      channel: MaybeRefOrGetter<K | null>,
      handler: Handlers<EventOn<C, K>>,
      options?: MaybeRefOrGetter<ChannelOptions>,
    ) => void

/** Hears a channel, or all that a pattern matches, while mounted; `null` pauses. With one handler, or one for each type. */
export const useChannel = ((
  channel: MaybeRefOrGetter<string | null>,
  handler: Handlers<TidingsEvent>,
  options?: MaybeRefOrGetter<ChannelOptions>,
): void => useListener('subscribe', () => ({ channel: toValue(channel), handler, ...toValue(options) }))) as UseChannel

/** {@link useEvents}. */
export type UseEvents<L = RegisteredLabels> = string extends keyof L
  ? {
      <T = L[keyof L & string]>(label: MaybeRefOrGetter<string | null>, handler: Handlers<TidingsEvent<T>>): void
      <T = L[keyof L & string]>(handlers: HandlersByType<TidingsEvent<T>>): void
    }
  : {
      <K extends ChannelOf<L>>(label: MaybeRefOrGetter<K | null>, handler: Handlers<EventOn<L, K>>): void
      (handlers: HandlersByType<EventOn<L, '*'>>): void
    }

/**
 * Hears what the server addresses to this user or device, while mounted: by label or pattern (`null` pauses), or by type of
 * event whatever the label.
 */
export const useEvents = ((
  label: MaybeRefOrGetter<string | null> | HandlersByType<TidingsEvent>,
  given?: Handlers<TidingsEvent>,
): void => {
  const [channel, handler] = labelled(label, given)
  useListener('on', () => ({ channel: toValue(channel), handler }))
}) as UseEvents

/** {@link useLatest}. */
export type UseLatest<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(
      channel: MaybeRefOrGetter<string | null>,
      options?: MaybeRefOrGetter<ChannelOptions>,
    ) => Readonly<ShallowRef<TidingsEvent<T> | undefined>>
  : <K extends ChannelOf<C>>(
      channel: MaybeRefOrGetter<K | null>,
      options?: MaybeRefOrGetter<ChannelOptions>,
    ) => Readonly<ShallowRef<LatestOn<C, K>>>

/** The last event that a channel brought while this component listened to it; `undefined` before the first. */
export const useLatest = ((channel: MaybeRefOrGetter<string | null>, options?: MaybeRefOrGetter<ChannelOptions>) => {
  const latest = shallowRef<TidingsEvent>()
  useListener(
    'subscribe',
    () => ({ channel: toValue(channel), handler: (event) => (latest.value = event), ...toValue(options) }),
    () => (latest.value = undefined),
  )
  return shallowReadonly(latest)
}) as UseLatest

/**
 * Who is online on a channel, or on all in a pattern (`*`: everyone); `undefined` until it is known. `null` pauses. It needs a
 * presence grant, which hearing the channel does not include; and seeing it is not being on it.
 */
export function usePresence(
  channel: MaybeRefOrGetter<ChannelOf<RegisteredChannels> | null>,
): Readonly<ShallowRef<readonly Member[] | undefined>> {
  const members = shallowRef<readonly Member[]>()
  useListener(
    'presence',
    () => ({ channel: toValue(channel), seen: (here) => (members.value = here) }),
    () => (members.value = undefined),
  )
  return shallowReadonly(members)
}

/** The connection, and what one may do about it. */
export interface Connection {
  /** Where the connection stands. */
  readonly state: ComputedRef<ConnectionSnapshot['state']>
  /** Failures in a row; 0 while all is well. */
  readonly attempt: ComputedRef<number>
  /** While `waiting`: how long the whole wait is, in milliseconds. */
  readonly nextRetryMs: ComputedRef<number | undefined>
  /** The failure since the connection last opened, if there was one. */
  readonly lastError: ComputedRef<ConnectionSnapshot['lastError']>
  /** The server's name for this stream, while `open`. */
  readonly connectionId: ComputedRef<string | undefined>
  /** Connects at once, from any state. */
  connect(): void
  /** Ends the connection and keeps the handlers, until `connect`. */
  disconnect(): void
}

/** Where the connection stands. */
export function useConnection(): Connection {
  const tidings = useTidings()
  const snapshot = shallowRef(IDLE)
  const follow = (): void => void (snapshot.value = tidings.getSnapshot())
  whenMounted(() => {
    follow()
    onScopeDispose(tidings.subscribeState(follow))
  })
  return {
    state: computed(() => snapshot.value.state),
    attempt: computed(() => snapshot.value.attempt),
    nextRetryMs: computed(() => snapshot.value.nextRetryMs),
    lastError: computed(() => snapshot.value.lastError),
    connectionId: computed(() => snapshot.value.connectionId),
    connect: () => tidings.connect(),
    disconnect: () => tidings.disconnect(),
  }
}
