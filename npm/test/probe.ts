// The common tests for the bindings of all frameworks, with a component that uses all hooks.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Tidings } from '../src/index.ts'
import { type Answer, browser, settle, stubBrowser } from './browser.ts'

/** The props of the component. */
export interface ProbeProps {
  channel: string | null
  heard: (by: string, payload: unknown) => void
  since?: string
  /** The label of the addressed events that are received; `timer` by default. */
  label?: string | null
  /** The channel whose presence is shown. */
  watch?: string | null
}

/** The component on a page. */
export interface Mounted {
  change(props: Partial<ProbeProps>): void
  unmount(): void
}

/** How a framework shows the component, renders it on a server, and hydrates the rendered page. */
export interface Framework {
  mount(target: Element, tidings: Tidings, props: ProbeProps): Mounted
  /** The HTML that a server sends. */
  serve(tidings: Tidings, props: ProbeProps): Promise<string>
  hydrate(target: Element, tidings: Tidings, props: ProbeProps): Mounted
  /** Without a client. */
  mountBare(target: Element): void
}

export function probeTests({ mount, serve, hydrate, mountBare }: Framework): void {
  let tidings: Tidings
  let target: Element
  const heard = vi.fn<ProbeProps['heard']>()
  const mounted: Mounted[] = []
  const show = (props: Partial<ProbeProps> = {}): Mounted => {
    const shown = mount(target, tidings, { channel: 'a', heard, ...props })
    mounted.push(shown)
    return shown
  }
  const text = (): string => target.textContent!.replaceAll(/\s+/g, ' ').trim()
  const press = async (button: number): Promise<void> => {
    target.querySelectorAll('button')[button]!.click()
    await settle()
  }
  const heardBy = (by: string): unknown[] => heard.mock.calls.filter((call) => call[0] === by).map((call) => call[1])
  async function open(): Promise<void> {
    await settle()
    browser.stream.open()
    await settle()
  }
  async function confirm(): Promise<void> {
    const { requestId, channels } = browser.calls.filter(({ url }) => url.endsWith('/subscribe')).at(-1)!.body
    browser.stream.frame('subscribed', { requestId, channels, cursor: '1f.42.9ab3' })
    await settle()
  }

  beforeEach(() => {
    stubBrowser()
    heard.mockClear()
    tidings = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource' })
    target = document.body.appendChild(document.createElement('main'))
  })
  afterEach(() => {
    for (const shown of mounted.splice(0)) shown.unmount()
    tidings.reset()
    document.body.replaceChildren()
  })

  test('all hooks share one stream, and hear what is theirs, once', async () => {
    show()
    await open()
    browser.stream.event('a', 1, { seq: 43 })
    browser.stream.event('timer', 2, { seq: 44, to: 'user' })
    browser.stream.event('note', 3, { seq: 45, to: 'user' })
    expect(browser.streams).toHaveLength(1)
    expect(browser.stream.query.channels).toBe('a')
    expect(heard.mock.calls).toEqual([
      ['ready', 'a'],
      ['channel', 1],
      ['type', 1],
      ['label', 2],
      ['events by type', 2],
      ['events by type', 3],
    ])
  })

  test('an unmounted component receives nothing, and is unsubscribed', async () => {
    const shown = show()
    await open()
    heard.mockClear()
    shown.unmount()
    await settle()
    browser.stream.event('a', 1, { seq: 43 })
    browser.stream.event('timer', 2, { seq: 44, to: 'user' })
    expect(heard).not.toHaveBeenCalled()
    expect(browser.calls.map(({ url, body }) => [url.split('/').at(-1), body.channels])).toEqual([['unsubscribe', ['a']]])
  })

  test('another channel takes the place of the one before', async () => {
    const shown = show()
    await open()
    browser.stream.event('a', 1, { seq: 43 })
    await settle()
    expect(text()).toBe('open 0 n1.1 1')
    shown.change({ channel: 'b' })
    await settle()
    expect(text()).toBe('open 0 n1.1 none')
    await confirm()
    browser.stream.event('a', 2, { seq: 44 })
    browser.stream.event('b', 3, { seq: 45 })
    await settle()
    expect(heardBy('channel')).toEqual([1, 3])
    expect(text()).toBe('open 0 n1.1 3')
  })

  test('`null` pauses', async () => {
    const shown = show({ channel: null })
    await open()
    expect(browser.stream.query.channels).toBeUndefined()
    shown.change({ channel: 'a' })
    await settle()
    await confirm()
    browser.stream.event('a', 1, { seq: 43 })
    shown.change({ channel: null })
    await settle()
    browser.stream.event('a', 2, { seq: 44 })
    expect(heardBy('channel')).toEqual([1])
    expect(text()).toBe('open 0 n1.1 none')
  })

  test('`null` pauses what is sent to the user, and another label takes its place', async () => {
    const shown = show({ label: null })
    await open()
    browser.stream.event('timer', 1, { seq: 43, to: 'user' })
    expect(heardBy('label')).toEqual([])
    for (const [label, seq] of [['timer', 44], ['note', 46], [null, 48]] as const) {
      shown.change({ label })
      await settle()
      browser.stream.event('timer', seq, { seq, to: 'user' })
      browser.stream.event('note', seq + 1, { seq: seq + 1, to: 'user' })
    }
    expect(heardBy('label')).toEqual([44, 47])
  })

  test('from a cursor, it asks for what came after; after a pause it goes on where it stood', async () => {
    const shown = show({ since: '1f.40.1' })
    await open()
    expect(browser.calls.at(-1)?.body).toMatchObject({ channels: ['a'], since: '1f.40.1' })
    await confirm()
    browser.stream.event('a', 1, { seq: 50 })
    shown.change({ channel: null })
    await settle()
    shown.change({ channel: 'a' })
    await settle()
    expect(browser.calls.at(-1)?.body).toMatchObject({ channels: ['a'], since: '1f.50.c0de' })
  })

  test('back on a channel it goes on where it stood there; from another cursor it begins there', async () => {
    const shown = show({ since: '1f.40.1' })
    const begun = (): unknown => browser.calls.filter(({ body }) => body.since !== undefined).at(-1)?.body
    await open()
    await confirm()
    browser.stream.event('a', 1, { seq: 50 })
    for (const [channel, since] of [['b', '1f.40.1'], ['a', '1f.50.c0de'], [null, '1f.50.c0de']] as const) {
      shown.change({ channel })
      await settle()
      if (channel) expect(begun()).toMatchObject({ channels: [channel], since })
    }
    shown.change({ since: '1f.60.1' })
    await settle()
    shown.change({ channel: 'a' })
    await settle()
    expect(begun()).toMatchObject({ channels: ['a'], since: '1f.60.1' })
  })

  test('after `reset()` it hears again with the next `connect()`, from now on, and not before', async () => {
    show({ since: '1f.40.1' })
    await open()
    tidings.reset()
    await settle()
    expect(browser.streams).toHaveLength(1)
    const calls = browser.calls.length
    tidings.connect()
    await open()
    expect(browser.streams).toHaveLength(2)
    expect(browser.stream.query.channels).toBe('a')
    expect(browser.calls.slice(calls)).toEqual([])
    browser.stream.event('a', 1, { seq: 43 })
    browser.stream.event('timer', 2, { seq: 44, to: 'user' })
    expect([heardBy('channel'), heardBy('label')]).toEqual([[1], [2]])
    expect(heardBy('refused')).toEqual([])
  })

  test('after `reset()` nothing of the former user is shown, whatever the state was', async () => {
    show({ watch: 'room:7' })
    await settle()
    browser.stream.open({ aliveMs: 30_000 })
    await settle()
    browser.stream.event('a', 1, { seq: 43 })
    browser.stream.frame('presence', { channel: 'room:7', here: [{ userId: 'bob', deviceId: null }] })
    await settle()
    expect(text()).toBe('open 0 n1.1 1 bob')
    tidings.reset()
    await settle()
    expect(text()).toBe('idle 0 none')
  })

  test('data shown before a pause is not shown after it', async () => {
    const shown = show()
    await open()
    browser.stream.event('a', 1, { seq: 43 })
    await settle()
    expect(text()).toBe('open 0 n1.1 1')
    for (const channel of [null, 'a']) {
      shown.change({ channel })
      await settle()
      expect(text()).toBe('open 0 n1.1 none')
    }
  })

  test('a channel that is confirmed, refused or taken away is told', async () => {
    const shown = show()
    await settle()
    expect(heardBy('ready')).toEqual([])
    browser.stream.open()
    await settle()
    expect(heardBy('ready')).toEqual(['a'])
    browser.stream.frame('revoked', { channels: ['a'], code: 'forbidden' })
    await settle()
    expect(heardBy('refused')).toEqual(['forbidden'])
    shown.change({ channel: 'not a channel' })
    await settle()
    expect(heardBy('refused')).toEqual(['forbidden', 'malformedChannel'])
    shown.change({ channel: null })
    await settle()
    expect([heardBy('ready'), heardBy('refused').length]).toEqual([['a'], 2])
  })

  test('presence is shown, and forgotten with the channel', async () => {
    const shown = show({ channel: null, watch: 'room:7' })
    await settle()
    browser.stream.open({ aliveMs: 30_000 })
    await settle()
    const [ana, bob] = ['ana', 'bob'].map((userId) => ({ userId, deviceId: null }))
    browser.stream.frame('presence', { channel: 'room:7', here: [ana] })
    browser.stream.frame('presence', { channel: 'room:7', join: [bob] })
    await settle()
    expect(text()).toBe('open 0 n1.1 none ana bob')
    browser.stream.frame('presence', { channel: 'room:7', here: [ana, bob], asked: 3, answered: 2 })
    await settle()
    expect(text(), 'perhaps others').toBe('open 0 n1.1 none ana bob…')
    shown.change({ watch: 'room:8' })
    await settle()
    expect(text()).toBe('open 0 n1.1 none')
    browser.stream.frame('presence', { channel: 'room:7', leave: [bob] })
    browser.stream.frame('presence', { channel: 'room:8', here: [bob] })
    await settle()
    expect(text()).toBe('open 0 n1.1 none bob')
    shown.change({ watch: null })
    await settle()
    expect(text()).toBe('open 0 n1.1 none')
    const calls = browser.calls.map(({ url, body }) => [url.split('/').at(-1), body.channels])
    expect(calls).toEqual([['presence', ['room:7']], ['presence', ['room:8']], ['presence', []]])
  })

  test('each hook says where its subscription stands', async () => {
    const stands = (): (string | undefined)[] => {
      const { channel, latest, label, presence } = target.querySelector('s')!.dataset
      return [channel, latest, label, presence].map((text) => text?.trim())
    }
    const shown = show({ label: null, watch: 'room:7' })
    await settle()
    expect(stands()).toEqual(['pending', 'pending', 'paused', 'pending'])
    shown.change({ label: 'timer' })
    browser.stream.open({ aliveMs: 30_000 })
    await settle()
    expect(stands()).toEqual(['active', 'active', 'active', 'active'])

    browser.stream.frame('revoked', { channels: ['a'], code: 'forbidden' })
    await settle()
    expect(stands()).toEqual(['failed forbidden', 'failed forbidden', 'active', 'active'])

    shown.change({ channel: null, watch: null })
    await settle()
    expect(stands()).toEqual(['paused', 'paused', 'active', 'paused'])
    shown.change({ channel: 'not a channel' })
    await settle()
    expect(stands()).toEqual(['failed malformedChannel', 'failed malformedChannel', 'active', 'paused'])

    tidings.reset()
    shown.change({ channel: 'b' })
    await settle()
    expect(stands()).toEqual(['pending', 'pending', 'pending', 'paused'])
  })

  test('presence that the server refuses says so, and becomes active where a later stream gives it', async () => {
    let refuses = true
    const answer: Answer = ({ url, body }) =>
      refuses && url.endsWith('/presence')
        ? Response.json({ accepted: [], rejected: [{ channel: 'room:7', code: 'forbidden' }] })
        : Response.json({ accepted: body.channels ?? [], rejected: [] })
    stubBrowser({ answer })
    const presence = (): string => target.querySelector('s')!.dataset.presence!.trim()
    show({ watch: 'room:7' })
    await settle()
    browser.stream.open({ aliveMs: 30_000 })
    await settle()
    expect(presence()).toBe('failed forbidden')
    refuses = false
    browser.stream.fail()
    await settle()
    await press(0)
    await settle()
    browser.stream.open({ aliveMs: 30_000 })
    await settle()
    expect(presence()).toBe('active')
  })

  test('a revoked channel that comes back is active again', async () => {
    show()
    await open()
    browser.stream.frame('revoked', { channels: ['a'], code: 'forbidden' })
    await settle()
    browser.stream.fail()
    await settle()
    await press(0)
    await open()
    await confirm()
    expect(target.querySelector('s')!.dataset.channel).toBe('active ')
  })

  test('a gap of the channel is told', async () => {
    show()
    await open()
    browser.stream.frame('gap', { channels: ['a'], reason: 'trimmed' })
    expect(heardBy('gap')).toEqual([['a']])
  })

  test('the connection is shown, and may be ended and begun', async () => {
    show()
    expect(text()).toMatch(/^idle 0/)
    await open()
    expect(text()).toMatch(/^open 0 n1.1/)
    await press(1)
    expect(text()).toMatch(/^closed 0/)
    await press(0)
    expect(text()).toMatch(/^connecting 0/)
  })

  test('a failed connection is shown with its error and its wait, and neither once it is open again', async () => {
    show()
    await open()
    const button = target.querySelector('button')!
    expect([button.title, button.dataset.wait]).toEqual(['', undefined])
    browser.stream.fail()
    await settle()
    await press(0)
    browser.stream.fail()
    await settle()
    expect(text()).toMatch(/^waiting 1/)
    expect(button.title).toBe('network')
    expect(Number(button.dataset.wait)).toBeGreaterThanOrEqual(0)
    await press(0)
    await open()
    expect(text()).toMatch(/^open 0/)
    expect([button.title, button.dataset.wait]).toEqual(['', undefined])
  })

  test('it takes over what a server rendered, though the client is connected by then', async () => {
    tidings.connect()
    await open()
    target.innerHTML = await serve(tidings, { channel: 'a', heard })
    expect(text()).toBe('idle 0 none')
    expect(browser.calls).toEqual([])
    const complaints = [vi.spyOn(console, 'error'), vi.spyOn(console, 'warn')]
    mounted.push(hydrate(target, tidings, { channel: 'a', heard }))
    await settle()
    expect(text()).toMatch(/^open 0/)
    expect(complaints.flatMap((spy) => spy.mock.calls)).toEqual([])
  })

  test('without a client there is an error with a name', () => {
    expect(() => mountBare(target)).toThrow(expect.objectContaining({ name: 'TidingsError', code: 'noProvider' }))
  })
}
