// The tests of all hooks of React in a page. They are one file, because they share the client, the root and the fake browser.
import { act, startTransition, StrictMode, Suspense, use, useState, type FunctionComponent, type ReactNode } from 'react'
import { createRoot, hydrateRoot, type Root } from 'react-dom/client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { browser, settle, stubBrowser } from '../test/browser.ts'
import { Tidings, TidingsError, type TidingsEvent } from './index.ts'
import { TidingsProvider, useChannel, useConnection, useEvents, useLatest, usePresence, useTidings } from './react.ts'

let tidings: Tidings
let root: Root

const within = (children: ReactNode): ReactNode => <TidingsProvider client={tidings}>{children}</TidingsProvider>
const render = (children: ReactNode): Promise<void> => act(async () => root.render(within(children)))
const settled = (): Promise<void> => act(settle)
const text = (): string => document.body.textContent ?? ''

/** The server accepts the stream that the first rendering requested. */
async function open(): Promise<void> {
  await settled()
  await act(async () => browser.stream.open())
}
const event = (...given: Parameters<typeof browser.stream.event>): Promise<void> => act(async () => browser.stream.event(...given))

beforeEach(() => {
  stubBrowser()
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource' })
  root = createRoot(document.body.appendChild(document.createElement('div')))
})
afterEach(async () => {
  await act(async () => root.unmount())
  tidings.reset()
  document.body.replaceChildren()
})

const Hear: FunctionComponent<{ channel: string | null; heard: (payload: unknown) => void }> = ({ channel, heard }) => {
  useChannel(channel, ({ payload }) => heard(payload))
  return null
}

describe('usePresence', () => {
  const Who: FunctionComponent<{ channel: string | null }> = ({ channel }) => {
    const { here, asked = 1, answered = 1, status, error } = usePresence(channel)
    if (status === 'failed') return `${status}: ${error?.code}`
    const names = here?.map(({ userId }) => userId).join(' ')
    return names === undefined ? 'unknown' : answered < asked ? `${names} and perhaps others` : names || 'nobody'
  }
  const told = (data: object): Promise<void> => act(async () => browser.stream.frame('presence', data))
  const [ana, bob] = ['ana', 'bob'].map((userId) => ({ userId, deviceId: null }))

  test('shows who is there, in StrictMode with one call, and forgets it with the channel', async () => {
    await render(
      <StrictMode>
        <Who channel="room:7" />
      </StrictMode>,
    )
    await settled()
    await act(async () => browser.stream.open({ aliveMs: 30_000 }))
    await settled()
    expect(text()).toBe('unknown')
    await told({ channel: 'room:7', here: [] })
    expect(text()).toBe('nobody')
    await told({ channel: 'room:7', join: [ana, bob] })
    expect(text()).toBe('ana bob')
    await told({ channel: 'room:7', here: [ana, bob], asked: 3, answered: 2 })
    expect(text()).toBe('ana bob and perhaps others')

    for (const channel of [null, 'room:7']) {
      await render(
        <StrictMode>
          <Who channel={channel} />
        </StrictMode>,
      )
      await settled()
      expect(text()).toBe('unknown')
    }
    await told({ channel: 'room:7', here: [bob] })
    expect(text()).toBe('bob')
    const calls = browser.calls.map(({ url, body }) => [url.split('/').at(-1), body.channels])
    expect(calls).toEqual([['presence', ['room:7']], ['presence', []], ['presence', ['room:7']]])
  })
})

describe('usePresence of another channel', () => {
  test('is unknown from its first rendering on', async () => {
    const shown: string[] = []
    const Who: FunctionComponent<{ channel: string }> = ({ channel }) => {
      shown.push(`${channel}: ${usePresence(channel).here?.map(({ userId }) => userId).join(' ') ?? 'unknown'}`)
      return null
    }
    await render(<Who channel="room:1" />)
    await settled()
    await act(async () => browser.stream.open({ aliveMs: 30_000 }))
    await settled()
    await act(async () => browser.stream.frame('presence', { channel: 'room:1', here: [{ userId: 'ana', deviceId: null }] }))
    await render(<Who channel="room:2" />)
    await settled()
    expect(shown).toContain('room:1: ana')
    expect(shown).not.toContain('room:2: ana')
  })
})

describe('useChannel', () => {
  test('hears while mounted, and no longer', async () => {
    const heard = vi.fn()
    await render(<Hear channel="a" heard={heard} />)
    await open()
    await event('a', 1, { seq: 43 })
    await render(null)
    await settled()
    await event('a', 2, { seq: 44 })
    expect(heard.mock.calls).toEqual([[1]])
    expect(browser.calls.map(({ url, body }) => [url.split('/').at(-1), body.channels])).toEqual([['unsubscribe', ['a']]])
  })

  test('calls the handler of the latest rendering, without subscribing anew', async () => {
    const first = vi.fn()
    const second = vi.fn()
    await render(<Hear channel="a" heard={first} />)
    await open()
    await render(<Hear channel="a" heard={second} />)
    await event('a', 1)
    await settled()
    expect([first.mock.calls, second.mock.calls]).toEqual([[], [[1]]])
    expect(browser.calls).toEqual([])
  })

  test('StrictMode makes one stream and one subscription, and no event comes twice', async () => {
    const heard = vi.fn()
    await render(
      <StrictMode>
        <Hear channel="a" heard={heard} />
      </StrictMode>,
    )
    await open()
    await event('a', 1)
    await settled()
    expect(browser.streams).toHaveLength(1)
    expect(browser.stream.query.channels).toBe('a')
    expect(browser.calls).toEqual([])
    expect(heard.mock.calls).toEqual([[1]])
  })

  test('`null` pauses', async () => {
    const heard = vi.fn()
    await render(<Hear channel={null} heard={heard} />)
    await settled()
    expect(browser.streams).toEqual([])
    await render(<Hear channel="a" heard={heard} />)
    await open()
    await event('a', 1, { seq: 43 })
    await render(<Hear channel={null} heard={heard} />)
    await event('a', 2, { seq: 44 })
    expect(heard.mock.calls).toEqual([[1]])
  })

  test('another channel takes the place of the one before', async () => {
    const heard = vi.fn()
    await render(<Hear channel="a" heard={heard} />)
    await open()
    await render(<Hear channel="b" heard={heard} />)
    await settled()
    const { requestId } = browser.calls.find(({ url }) => url.endsWith('/subscribe'))!.body
    browser.stream.frame('subscribed', { requestId, channels: ['b'], cursor: '1f.42.9ab3' })
    await event('a', 1, { seq: 43 })
    await event('b', 2, { seq: 44 })
    expect(heard.mock.calls).toEqual([[2]])
  })

  test('an event of the channel before, between the page and its effect, is not heard for another one', async () => {
    const heard = vi.fn()
    const Late: FunctionComponent<{ channel: string }> = ({ channel }) => {
      useChannel(channel, (event) => heard(channel, event.channel))
      return <i ref={() => void (channel === 'b' && browser.stream.event('a', 1))}>{channel}</i>
    }
    await render(<Late key="1" channel="a" />)
    await open()
    await render(<Late key="1" channel="b" />)
    await event('a', 2, { seq: 44 })
    expect(heard).not.toHaveBeenCalled()
  })

  test('a handler for each type hears its own, and an inherited name is none', async () => {
    const changed = vi.fn()
    const Typed: FunctionComponent = () => {
      useChannel('a', { changed })
      return null
    }
    await render(<Typed />)
    await open()
    await event('a', 1, { seq: 43 })
    const cursor = '1f.44.c0de'
    for (const type of ['other', 'toString', 'constructor']) {
      browser.stream.frame('message', { channel: 'a', type, timestamp: '', payload: 2 }, cursor)
    }
    await settled()
    expect(changed.mock.calls.map(([{ payload }]) => payload)).toEqual([1])
  })

  test('a component that suspends after it was shown misses nothing', async () => {
    const heard = vi.fn()
    let wake = (_: string): void => {}
    let sleep = (_: Promise<string>): void => {}
    const Sleeper: FunctionComponent = () => {
      const [promise, set] = useState<Promise<string>>()
      sleep = set
      useChannel('a', ({ payload }) => heard(payload))
      return <i>{promise ? use(promise) : 'awake'}</i>
    }
    await render(
      <Suspense fallback="waiting">
        <Sleeper />
      </Suspense>,
    )
    await open()
    await act(async () => sleep(new Promise((resolve) => (wake = resolve))))
    expect(text()).toContain('waiting')
    await event('a', 1, { seq: 43 })
    await act(async () => wake('woken'))
    await event('a', 2, { seq: 44 })
    expect(text()).toBe('woken')
    expect(heard.mock.calls).toEqual([[1], [2]])
    expect(browser.calls).toEqual([])
  })

  test('a rendering that is thrown away subscribes to nothing, and its handler is never called', async () => {
    const heard = vi.fn()
    const never = new Promise<string>(() => {})
    const Page: FunctionComponent<{ channel: string }> = ({ channel }) => {
      useChannel(channel, ({ payload }) => heard(channel, payload))
      return <i>{channel === 'b' ? use(never) : channel}</i>
    }
    await render(<Page channel="a" />)
    await open()
    await act(async () => startTransition(() => root.render(within(<Page channel="b" />))))
    await event('a', 1)
    await settled()
    expect(heard.mock.calls).toEqual([['a', 1]])
    expect(browser.calls).toEqual([])
  })

  test('from a cursor, it asks for what came after; after a pause it goes on where it stood', async () => {
    const Since: FunctionComponent<{ paused?: boolean }> = ({ paused }) => {
      useChannel(paused ? null : 'a', () => {}, { since: '1f.40.1' })
      return null
    }
    await render(<Since />)
    await open()
    await settled()
    expect(browser.calls.at(-1)?.body).toMatchObject({ channels: ['a'], since: '1f.40.1' })
    await act(async () => {
      const { requestId } = browser.calls.at(-1)!.body
      const cursor = '1f.41.c0de'
      browser.stream.frame('backfill', { channel: 'a', type: 'changed', cursor, timestamp: '', requestId, payload: 1 })
      browser.stream.frame('subscribed', { requestId, channels: ['a'], cursor: '1f.42.9ab3' })
    })
    await event('a', 2, { seq: 50 })
    await render(<Since paused />)
    await settled()
    await render(<Since />)
    await settled()
    expect(browser.calls.at(-1)?.body).toMatchObject({ channels: ['a'], since: '1f.50.c0de' })
  })

  test('a gap of the channel is told to the `onGap` of the latest rendering', async () => {
    const onGap = vi.fn()
    const Gaps: FunctionComponent<{ name: string }> = ({ name }) => {
      useChannel('a', () => {}, { onGap: (channels, reason) => onGap(name, channels, reason) })
      return null
    }
    await render(<Gaps name="first" />)
    await open()
    await render(<Gaps name="second" />)
    await act(async () => browser.stream.frame('gap', { channels: ['a'], reason: 'trimmed' }))
    expect(onGap.mock.calls).toEqual([['second', ['a'], 'trimmed']])
  })
})

describe('after `reset()`', () => {
  test('a hook that stays mounted hears the next user, with the next `connect()`', async () => {
    const heard = vi.fn()
    await render(<Hear channel="a" heard={heard} />)
    await open()
    await act(async () => tidings.reset())
    await settled()
    expect(browser.streams).toHaveLength(1)
    await act(async () => tidings.connect())
    await open()
    expect(browser.streams).toHaveLength(2)
    expect(browser.stream.query.channels).toBe('a')
    await event('a', 1)
    expect(heard.mock.calls).toEqual([[1]])
    await render(null)
    await settled()
    expect(browser.calls.map(({ url, body }) => [url.split('/').at(-1), body.channels])).toEqual([['unsubscribe', ['a']]])
  })
})

describe('`onReady` and `onRefused`', () => {
  test('are those of the latest rendering', async () => {
    const told = vi.fn()
    const Told: FunctionComponent<{ name: string; channel: string }> = ({ name, channel }) => {
      useChannel(channel, () => {}, { onReady: () => told(name, 'ready'), onRefused: (code) => told(name, code) })
      return null
    }
    await render(<Told name="first" channel="a" />)
    await settled()
    await render(<Told name="second" channel="a" />)
    await open()
    await act(async () => browser.stream.frame('revoked', { channels: ['a'], code: 'forbidden' }))
    await render(<Told name="third" channel="not a channel" />)
    await settled()
    expect(told.mock.calls).toEqual([['second', 'ready'], ['second', 'forbidden'], ['third', 'malformedChannel']])
  })

  test('tell of no refusal where the client gave up, or was reset', async () => {
    const onRefused = vi.fn()
    const Told: FunctionComponent = () => (useChannel('a', () => {}, { onRefused }), null)
    tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource', reconnect: false, onError: () => {} })
    await render(<Told />)
    await settled()
    await act(async () => browser.stream.fail())
    await settled()
    expect(tidings.state).toBe('closed')
    await act(async () => tidings.reset())
    await settled()
    expect(onRefused).not.toHaveBeenCalled()
  })
})

describe('useEvents', () => {
  test('hears a label, or all labels by type', async () => {
    const label = vi.fn()
    const types = vi.fn()
    const Events: FunctionComponent = () => {
      useEvents('timer', ({ payload }) => label(payload))
      useEvents({ changed: ({ payload }) => types(payload) })
      return null
    }
    await render(<Events />)
    await open()
    await event('timer', 1, { seq: 43, to: 'user' })
    await event('note', 2, { seq: 44, to: 'user' })
    await event('timer', 3, { seq: 45 })
    expect([label.mock.calls, types.mock.calls]).toEqual([[[1]], [[1], [2]]])
  })

  test('`null` pauses', async () => {
    const Events: FunctionComponent = () => (useEvents(null, () => {}), null)
    await render(<Events />)
    await settled()
    expect(browser.streams).toEqual([])
  })
})

describe('useLatest', () => {
  const Latest: FunctionComponent<{ channel: string | null }> = ({ channel }) => {
    const latest: TidingsEvent<number> | undefined = useLatest<number>(channel).event
    return <i>{latest ? `${latest.channel} ${latest.payload}` : 'none'}</i>
  }

  test('is the last event of the channel, and none after the channel changed', async () => {
    await render(<Latest channel="a" />)
    expect(text()).toBe('none')
    await open()
    await event('a', 1, { seq: 43 })
    await event('a', 2, { seq: 44 })
    expect(text()).toBe('a 2')
    await render(<Latest channel="b" />)
    expect(text()).toBe('none')
    await render(<Latest channel={null} />)
    expect(text()).toBe('none')
  })

  test('an event of before a pause, or of the former user, is no longer shown', async () => {
    await render(<Latest channel="a" />)
    await open()
    await event('a', 1, { seq: 43 })
    expect(text()).toBe('a 1')
    await act(async () => tidings.reset())
    expect(text()).toBe('none')
    await act(async () => tidings.connect())
    await open()
    await event('a', 2, { seq: 44 })
    expect(text()).toBe('a 2')
    await render(<Latest channel={null} />)
    await render(<Latest channel="a" />)
    expect(text()).toBe('none')
  })
})

describe('useConnection', () => {
  const Connection: FunctionComponent = () => {
    const { state, attempt, nextRetryMs, lastError, connectionId, connect, disconnect } = useConnection()
    return (
      <>
        <i title={nextRetryMs?.toFixed()}>{[state, attempt, lastError?.code, connectionId].join(' ')}</i>
        <button onClick={connect} />
        <button onClick={disconnect} />
      </>
    )
  }
  const press = (button: number): Promise<void> => act(async () => document.querySelectorAll('button')[button]!.click())

  test('tells the state, and changes it', async () => {
    await render(<Connection />)
    expect(text()).toBe('idle 0  ')
    await press(0)
    expect(text()).toBe('connecting 0  ')
    await open()
    expect(text()).toBe('open 0  n1.1')
    await act(async () => browser.stream.fail())
    await settled()
    expect(text()).toMatch(/^waiting 1 /)
    expect(document.querySelector('i')!.title).toMatch(/^\d+$/)
    await press(1)
    expect(text()).toMatch(/^closed/)
  })

  test('hydrates what the server rendered, though the client is connected by then', async () => {
    const { renderToString } = await import('react-dom/server')
    document.body.innerHTML = `<main>${renderToString(within(<Connection />))}</main>`
    expect(text()).toBe('idle 0  ')
    tidings.connect()
    await open()
    const onRecoverableError = vi.fn()
    const complained = vi.spyOn(console, 'error')
    const hydrated = await act(async () => hydrateRoot(document.querySelector('main')!, within(<Connection />), { onRecoverableError }))
    expect(text()).toBe('open 0  n1.1')
    expect(onRecoverableError).not.toHaveBeenCalled()
    expect(complained).not.toHaveBeenCalled()
    await act(async () => hydrated.unmount())
  })
})

test('without a provider there is an error with a name', async () => {
  const Bare: FunctionComponent = () => (useTidings(), null)
  const { renderToString } = await import('react-dom/server')
  const error = (() => {
    try {
      return renderToString(<Bare />)
    } catch (error) {
      return error
    }
  })()
  expect(error).toBeInstanceOf(TidingsError)
  expect(error).toMatchObject({ name: 'TidingsError', code: 'noProvider', message: expect.stringContaining('<TidingsProvider') })
})
