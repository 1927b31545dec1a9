import { QueryClient, QueryObserver } from '@tanstack/query-core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { browser, settle, stubBrowser } from '../test/browser.ts'
import { Tidings, type AnyChannels } from './index.ts'
import { syncQueries, type QueryMapping } from './query.ts'

/** Queries whose answers the test provides, in the order of the requests. */
class Backend {
  readonly requests: { key: readonly unknown[]; answer: (data: unknown) => void; fail: () => void }[] = []
  fetch = ({ queryKey: key }: { queryKey: readonly unknown[] }): Promise<unknown> =>
    new Promise((answer, reject) => this.requests.push({ key, answer, fail: () => reject(new Error('unavailable')) }))

  async answer(data: unknown): Promise<void> {
    this.requests.at(-1)!.answer(data)
    await settle()
  }
}

let tidings: Tidings
let queryClient: QueryClient
let backend: Backend
const ends: (() => void)[] = []

/** A component that shows a query. */
function show(...queryKey: readonly unknown[]): QueryObserver {
  const observer: QueryObserver = new QueryObserver(queryClient, { queryKey })
  ends.push(observer.subscribe(() => {}))
  return observer
}
function sync(mapping: QueryMapping<AnyChannels, QueryClient>): () => void {
  const stop = syncQueries(tidings, queryClient, mapping, { coalesceMs: 0 })
  ends.push(stop)
  return stop
}
const asked = (): string[] => backend.requests.map(({ key }) => key.join(' '))
/** Runs the work gathered for 0 ms: timers of one length run in the order in which they were set. */
const due = async (): Promise<void> => {
  await settle()
  await new Promise((done) => setTimeout(done, 0))
  await settle()
}
async function open(): Promise<void> {
  await settle()
  browser.stream.open()
  await due()
}
/** A page whose queries were fetched after the channel was confirmed, so that no work is left. */
async function current(mapping: QueryMapping<AnyChannels, QueryClient>, ...keys: string[][]): Promise<void> {
  sync(mapping)
  await open()
  for (const key of keys) {
    show(...key)
    await backend.answer('first')
  }
  backend.requests.length = 0
}

beforeEach(() => {
  stubBrowser()
  backend = new Backend()
  tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource' })
  queryClient = new QueryClient({ defaultOptions: { queries: { queryFn: backend.fetch, staleTime: Infinity, retry: false } } })
  queryClient.mount()
})
afterEach(() => {
  for (const end of ends.splice(0)) end()
  queryClient.unmount()
  queryClient.clear()
  tidings.reset()
})

describe('events', () => {
  test('invalidate the keys of their rule, and no others', async () => {
    await current({ channels: { a: { keys: [['notes']] } } }, ['notes', '1'], ['notes', '2'], ['users'])
    browser.stream.event('a', 1)
    await due()
    expect(asked()).toEqual(['notes 1', 'notes 2'])
  })

  test('invalidate the keys that they name', async () => {
    await current({ channels: { a: { keys: [['notes']], invalidate: ({ payload }) => [['notes', payload]] } } }, ['notes', '1'], ['notes', '2'])
    browser.stream.event('a', '2')
    await due()
    expect(asked()).toEqual(['notes 2'])
  })

  test('are written into the cache, and nothing is fetched', async () => {
    const patch = ({ payload }: { payload: unknown }, client: QueryClient): void => void client.setQueryData(['note'], payload)
    await current({ channels: { a: { keys: [['note']], patch } } }, ['note'])
    browser.stream.event('a', 'written')
    await due()
    expect(queryClient.getQueryData(['note'])).toBe('written')
    expect(asked()).toEqual([])
  })

  test('addressed to the user have rules of their own', async () => {
    await current({ labels: { timer: { keys: [['timer']] } } }, ['timer'])
    browser.stream.event('timer', 1, { seq: 43 })
    await due()
    expect(asked()).toEqual([])
    browser.stream.event('timer', 1, { seq: 44, to: 'user' })
    await due()
    expect(asked()).toEqual(['timer'])
  })

  test('of a burst cost one fetch', async () => {
    await current({ channels: { a: { keys: [['notes']] } } }, ['notes'])
    for (let seq = 43; seq < 143; seq++) browser.stream.event('a', seq, { seq })
    await due()
    expect(asked()).toEqual(['notes'])
  })

  test('that come faster than answers cost one fetch at a time, and the last answer is of after the last event', async () => {
    await current({ channels: { a: { keys: [['notes']] } } }, ['notes'])
    for (let seq = 43; seq < 50; seq++) {
      browser.stream.event('a', seq, { seq })
      await due()
    }
    expect(asked()).toEqual(['notes'])
    await backend.answer('before the last event')
    expect(asked()).toEqual(['notes', 'notes'])
    await backend.answer('after it')
    await due()
    expect(queryClient.getQueryData(['notes'])).toBe('after it')
    expect(asked()).toHaveLength(2)
  })

  test('written while a fetch is under way are not undone by its answer for good', async () => {
    const patch = ({ payload }: { payload: unknown }): void => void queryClient.setQueryData(['note'], payload)
    await current({ channels: { a: { keys: [['note']], patch } } }, ['note'])
    void queryClient.refetchQueries({ queryKey: ['note'] })
    browser.stream.event('a', 'written')
    await due()
    expect(asked()).toHaveLength(1)
    await backend.answer('older')
    expect(asked()).toHaveLength(2)
    await backend.answer('newer')
    expect(queryClient.getQueryData(['note'])).toBe('newer')
  })

  test('whose mapping throws invalidate all that they may concern, and the error is told', async () => {
    const onError = vi.fn()
    tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource', onError })
    const patch = (): never => {
      throw new Error('mine')
    }
    await current({ channels: { a: { keys: [['notes']], patch } } }, ['notes'])
    browser.stream.event('a', 1)
    await due()
    expect(asked()).toEqual(['notes'])
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: 'handlerError' }))
  })

  test('are heard no more once it is stopped', async () => {
    const stop = sync({ channels: { a: { keys: [['notes']] } } })
    await open()
    show('notes')
    await backend.answer('first')
    browser.stream.event('a', 1)
    stop()
    await due()
    expect(asked()).toEqual(['notes'])
  })
})

describe('a gap', () => {
  const mapping = { channels: { a: { keys: [['a']] }, b: { keys: [['b']] } }, labels: { timer: { keys: [['timer']] } } }

  test('a gap on one channel invalidates the keys of that channel', async () => {
    await current(mapping, ['a'], ['b'], ['timer'])
    browser.stream.frame('gap', { channels: ['a'], reason: 'trimmed' })
    await due()
    expect(asked()).toEqual(['a'])
  })

  test('a gap on all channels invalidates every key, those of labels included', async () => {
    await current(mapping, ['a'], ['b'], ['timer'])
    browser.stream.frame('gap', { channels: null, reason: 'epoch' }, '2a.0.0')
    await due()
    expect(asked().sort()).toEqual(['a', 'b', 'timer'])
  })

  test('among addressed events invalidates the keys of labels', async () => {
    await current(mapping, ['a'], ['b'], ['timer'])
    browser.stream.frame('gap', { channels: ['b'], addressed: true, reason: 'trimmed' })
    await due()
    expect(asked().sort()).toEqual(['b', 'timer'])
  })
})

describe('a query whose fetch began before its channel was confirmed', () => {
  test.each(['channels', 'labels'])('is fetched once more then (%s)', async (kind) => {
    show('notes')
    await backend.answer('as of before')
    sync({ [kind]: { a: { keys: [['notes']] } } })
    await due()
    expect(asked()).toHaveLength(1)
    await open()
    expect(asked()).toHaveLength(2)
    await backend.answer('as of after')
    await due()
    expect(asked()).toHaveLength(2)
  })

  test('and has not ended by then is fetched once more after that', async () => {
    const observer = show('notes')
    sync({ channels: { a: { keys: [['notes']] } } })
    await open()
    expect(asked()).toHaveLength(1)
    await backend.answer('as of before')
    expect(asked()).toHaveLength(2)
    await backend.answer('as of after')
    await due()
    expect(observer.getCurrentResult().data).toBe('as of after')
    expect(asked()).toHaveLength(2)
  })

  test('is not, where it carries a cursor: the channel begins there instead', async () => {
    show('notes')
    await backend.answer('served')
    sync({ channels: { a: { keys: [['notes']], since: '1f.40.1' } } })
    await open()
    expect(asked()).toHaveLength(1)
    const { requestId, since } = browser.calls.at(-1)!.body
    expect(since).toBe('1f.40.1')
    const cursor = '1f.41.c0de'
    browser.stream.frame('backfill', { channel: 'a', type: 'changed', cursor, timestamp: '', requestId, payload: 1 })
    browser.stream.frame('subscribed', { requestId, channels: ['a'], cursor: '1f.42.9ab3' })
    await due()
    expect(asked()).toHaveLength(2)
  })

  test('and that nobody shows any more is fetched when it is shown again', async () => {
    const leave = new QueryObserver(queryClient, { queryKey: ['notes'] }).subscribe(() => {})
    await backend.answer('as of before')
    leave()
    sync({ channels: { a: { keys: [['notes']] } } })
    await open()
    expect(asked()).toHaveLength(1)
    show('notes')
    expect(asked()).toHaveLength(2)
  })
})

test('a query whose fetch began after its channel was confirmed is fetched once', async () => {
  sync({ channels: { a: { keys: [['notes']] } } })
  await open()
  show('notes')
  await backend.answer('first')
  await due()
  expect(asked()).toHaveLength(1)
})

test('after `reset()` the rules go on with the next `connect()`, from now on, whatever cursor they began from', async () => {
  await current({ channels: { a: { keys: [['notes']], since: '1f.40.1' } }, labels: { timer: { keys: [['timer']] } } }, ['notes'], ['timer'])
  tidings.reset()
  await due()
  expect(browser.streams).toHaveLength(1)
  tidings.connect()
  await open()
  expect(browser.streams).toHaveLength(2)
  expect(browser.stream.query.channels).toBe('a')
  expect(browser.calls.filter(({ url }) => url.endsWith('/subscribe')).map(({ body }) => body.since)).toEqual(['1f.40.1'])
  // The former user's data are not shown any more.
  expect(asked().sort()).toEqual(['notes', 'timer'])
  backend.requests.length = 0
  browser.stream.event('timer', 1, { to: 'user' })
  await due()
  expect(asked()).toEqual([])
})

test('a refused channel fetches nothing', async () => {
  vi.spyOn(console, 'error').mockImplementation(() => {})
  show('notes')
  await backend.answer('first')
  sync({ channels: { a: { keys: [['notes']] } } })
  await settle()
  browser.stream.open({ rejected: ['a'] })
  await due()
  expect(asked()).toHaveLength(1)
})
