/**
 * Tidings in Vue 3. A component receives events for as long as it is mounted; on a server the hooks do nothing.
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
  shallowRef,
  toValue,
  watch,
  type ComputedRef,
  type InjectionKey,
  type MaybeRefOrGetter,
  type ObjectPlugin,
  type ShallowRef,
} from 'vue'
import { type AnyTidings, type Heard, IDLE, labelled, listen, noProvider, standing, type Wanted } from './binding.ts'
import type { ChannelOf, ChannelOptions, EventOn, Handlers, HandlersByType, Latest, PresenceState, RegisteredChannels, RegisteredLabels } from './channels.ts'
import type { TidingsClient } from './contract.ts'
import type { ConnectionSnapshot, Presence, SubscriptionState, TidingsEvent, Verb } from './types.ts'

const KEY: InjectionKey<AnyTidings> = Symbol('tidings')

/**
 * Provides a client to all components: `app.use(TidingsPlugin, { client })`. It does not own the client: unmounting
 * ends nothing.
 */
export const TidingsPlugin: ObjectPlugin<[{ client: AnyTidings }]> = {
  install: (app, { client }) => void app.provide(KEY, client),
}

/**
 * The client of the plugin. Call it in `setup`.
 *
 * @throws a {@link TidingsError} `noProvider` in an app without the plugin
 */
export function useTidings(): TidingsClient {
  const client = inject(KEY, null)
  if (!client) throw noProvider('call app.use(TidingsPlugin, { client: tidings })')
  return client as TidingsClient
}

/** Runs once the page shows the component, in the scope of the caller: what it begins ends with that scope. */
function whenMounted(begin: () => void): void {
  const scope = getCurrentScope()
  if (getCurrentInstance()) onMounted(() => scope?.run(begin))
  else begin()
}

/** The value that a hook returns: each property as a ref. */
export type Refs<S> = { readonly [K in keyof S]: Readonly<ShallowRef<S[K]>> }

function useListener<T>(verb: Verb, wanting: (show: (value: T) => void) => Wanted): Refs<SubscriptionState & { value: T | undefined }> {
  const tidings = useTidings()
  const heard: Heard = new Map()
  const value = shallowRef<T>()
  const settled = shallowRef<SubscriptionState>()
  const show = (shown: T): void => void (value.value = shown)
  const forget = (): void => void (value.value = settled.value = undefined)
  const wanted = (): Wanted => ({ ...wanting(show), stands: (state) => (settled.value = state), forget })
  whenMounted(() =>
    watch(
      () => wanted().channel,
      (_, before, onCleanup) => {
        if (before !== undefined) forget()
        const stop = listen(tidings, verb, wanted, heard)
        if (stop) onCleanup(stop)
      },
      // At once: an event between a change and its effect would belong to the wrong channel.
      { immediate: true, flush: 'sync' },
    ),
  )
  const state = computed(() => settled.value ?? standing(wanted().channel))
  return { value, status: computed(() => state.value.status), error: computed(() => state.value.error) }
}

/** The type of {@link useChannel}. */
export type UseChannel<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(
      channel: MaybeRefOrGetter<string | null>,
      handler: Handlers<TidingsEvent<T>>,
      options?: MaybeRefOrGetter<ChannelOptions>,
    ) => Refs<SubscriptionState>
  : <K extends ChannelOf<C>>(
      channel: MaybeRefOrGetter<K | null>,
      handler: Handlers<EventOn<C, K>>,
      options?: MaybeRefOrGetter<ChannelOptions>,
    ) => Refs<SubscriptionState>

/**
 * Subscribes to a channel, or to all channels that a pattern matches, while mounted; `null` pauses. Takes one handler,
 * or one for each type of event.
 */
export const useChannel = ((
  channel: MaybeRefOrGetter<string | null>,
  handler: Handlers<TidingsEvent>,
  options?: MaybeRefOrGetter<ChannelOptions>,
): Refs<SubscriptionState> => {
  const { status, error } = useListener('subscribe', () => ({ channel: toValue(channel), handler, ...toValue(options) }))
  return { status, error }
}) as UseChannel

/** The type of {@link useEvents}. */
export type UseEvents<L = RegisteredLabels> = string extends keyof L
  ? {
      <T = L[keyof L & string]>(label: MaybeRefOrGetter<string | null>, handler: Handlers<TidingsEvent<T>>): Refs<SubscriptionState>
      <T = L[keyof L & string]>(handlers: HandlersByType<TidingsEvent<T>>): Refs<SubscriptionState>
    }
  : {
      <K extends ChannelOf<L>>(label: MaybeRefOrGetter<K | null>, handler: Handlers<EventOn<L, K>>): Refs<SubscriptionState>
      (handlers: HandlersByType<EventOn<L, '*'>>): Refs<SubscriptionState>
    }

/**
 * Receives the events that the server addresses to this user or device, while mounted: by label or pattern (`null`
 * pauses), or by type of event under any label.
 */
export const useEvents = ((
  label: MaybeRefOrGetter<string | null> | HandlersByType<TidingsEvent>,
  given?: Handlers<TidingsEvent>,
): Refs<SubscriptionState> => {
  const [channel, handler] = labelled(label, given)
  const { status, error } = useListener('on', () => ({ channel: toValue(channel), handler }))
  return { status, error }
}) as UseEvents

/** The type of {@link useLatest}. */
export type UseLatest<C = RegisteredChannels> = string extends keyof C
  ? <T = C[keyof C & string]>(
      channel: MaybeRefOrGetter<string | null>,
      options?: MaybeRefOrGetter<ChannelOptions>,
    ) => Refs<Latest<TidingsEvent<T>>>
  : <K extends ChannelOf<C>>(
      channel: MaybeRefOrGetter<K | null>,
      options?: MaybeRefOrGetter<ChannelOptions>,
    ) => Refs<Latest<EventOn<C, K>>>

/** The last event that a channel delivered while this component subscribed to it. */
export const useLatest = ((
  channel: MaybeRefOrGetter<string | null>,
  options?: MaybeRefOrGetter<ChannelOptions>,
): Refs<Latest<TidingsEvent>> => {
  const { value, ...state } = useListener<TidingsEvent>('subscribe', (handler) => ({
    channel: toValue(channel),
    handler,
    ...toValue(options),
  }))
  return { event: computed(() => value.value), ...state }
}) as UseLatest

/**
 * The users who are online on a channel, or on all channels that match a pattern (`*`: everyone). `null` pauses. The
 * hook needs a presence grant, which a grant to subscribe does not include: without it, `status` is `failed`. Watching
 * a channel does not put the user on it.
 */
export function usePresence(channel: MaybeRefOrGetter<ChannelOf<RegisteredChannels> | null>): Refs<PresenceState> {
  const { value, ...state } = useListener<Presence>('presence', (handler) => ({ channel: toValue(channel), handler }))
  const part = <Name extends keyof Presence>(name: Name) => computed(() => value.value?.[name])
  return { here: part('here'), asked: part('asked'), answered: part('answered'), ...state }
}

/** The connection, with methods to start and end it. */
export interface Connection {
  /** The state of the connection. */
  readonly state: ComputedRef<ConnectionSnapshot['state']>
  /** The number of failures in a row; 0 while the connection works. */
  readonly attempt: ComputedRef<number>
  /** While `waiting`: the length of the whole wait, in milliseconds. */
  readonly nextRetryMs: ComputedRef<number | undefined>
  /** The last failure since the connection last opened; `undefined` without one. */
  readonly lastError: ComputedRef<ConnectionSnapshot['lastError']>
  /** The server's name for this stream, while `open`. */
  readonly connectionId: ComputedRef<string | undefined>
  /** Connects at once, from any state. */
  connect(): void
  /** Ends the connection and keeps the handlers, until `connect` is called. */
  disconnect(): void
}

/** The connection, with its state. */
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
