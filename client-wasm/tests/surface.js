// Tests of the interface on which the npm package is built, used in the same way. Each function is one test; `Client`
// is the class. It is one file, because wasm-bindgen copies a JavaScript module without the files that the module imports.

const reconnect = { baseMs: 0 }
/**
 * The fakes replace EventSource here, and each client has its own stream: `fetch` is tested in the npm package, tabs
 * with real tabs.
 */
const alone = { transport: 'eventsource', shareConnection: false, deviceId: 'd1', sessionId: 's1' }

/** A client, its reports, and its open stream. */
async function open(Client, options = {}) {
  const told = { states: [], gaps: [], errors: [] }
  const client = new Client({
    ...alone,
    url: '/e',
    reconnect,
    onState: (...status) => told.states.push(status),
    onGap: (...gap) => told.gaps.push(gap),
    onError: (report) => told.errors.push(report),
    ...options,
  })
  client.connect()
  await microtasks()
  FakeEventSource.last.connected([])
  return { client, told, stream: FakeEventSource.last }
}

/** Subscribes on an open stream and has the server confirm it; events for the handler are pushed to `heard`. */
async function subscribe({ client, stream }, channel, handler, since, onGap) {
  const settled = []
  const id = client.subscribe(channel, handler, (code) => settled.push(code ?? 'ready'), onGap, since)
  const call = await request()
  call.answer(200, { accepted: [channel], rejected: [] })
  stream.emit('subscribed', { requestId: call.body.requestId, channels: [channel], cursor: '1.10.a' })
  await until(() => settled.length)
  return id
}

/** The fakes; set before the first test runs. */
let equal, FakeEventSource, install, microtasks, parameters, request, requests, uninstall, until

async function run(test) {
  ;({ equal, FakeEventSource, install, microtasks, parameters, request, requests, uninstall, until } = fakes)
  install()
  try {
    await test()
  } finally {
    uninstall()
  }
}

export const first_handlers_connect = (Client) =>
  run(async () => {
    const states = []
    const settled = []
    const heard = []
    const client = new Client({ ...alone, url: '/e?x=1', withCredentials: true, onState: (...status) => states.push(status) })
    client.subscribe('timer:u1', (event) => heard.push(event), (code) => settled.push(code))
    client.subscribe('chat:*', (event) => heard.push(event))
    equal([client.state, states, FakeEventSource.all.length], ['idle', [], 0], 'nothing within the call:')
    await microtasks()
    const { url, withCredentials } = FakeEventSource.last
    const { nonce, ...asked } = parameters(url)
    equal(asked, { x: '1', channels: 'timer:u1,chat:*', deviceId: 'd1', sessionId: 's1', protocol: '2' })
    equal(/^[0-9a-f]+$/.test(nonce), true, 'a stream has a URL of its own:')
    equal(withCredentials, true)
    FakeEventSource.last.connected(['timer:u1', 'chat:*'])
    FakeEventSource.last.event('timer:u1', 11, { payload: { text: 'ü€😀' } })
    FakeEventSource.last.event('elsewhere', 12)
    equal(settled, [null])
    equal([client.state, client.userId], ['open', 'ana'])
    equal(states, [['connecting', 0, null, null], ['open', 0, null, 'n1']])
    equal(heard.length, 1)
    equal([heard[0].channel, heard[0].payload, heard[0].cursor], ['timer:u1', { text: 'ü€😀' }, '1.11.a'])
    client.disconnect()
    equal([client.state, FakeEventSource.last.closed], ['closed', true])
  })

export const a_throwing_callback_harms_nobody = (Client) =>
  run(async () => {
    const thrown = new Error('mine')
    const { client, told, stream } = await open(Client, {
      onState: () => {
        throw thrown
      },
    })
    equal([told.errors.length, told.errors[0].code, told.errors[0].cause === thrown], [2, 'handlerError', true])
    const heard = []
    client.on('a', () => heard.push(1))
    client.on('a', () => {
      throw thrown
    })
    client.on('a', () => heard.push(3), () => {
      throw thrown
    })
    await microtasks()
    stream.event('a', 11, { to: 'user' })
    equal(heard, [1, 3])
    equal(told.errors.length, 4)
    stream.event('a', 12, { to: 'device' })
    equal(heard, [1, 3, 1, 3])
    client.disconnect()
  })

export const an_error_callback_that_throws_harms_nobody = (Client) =>
  run(async () => {
    const error = console.error
    const printed = []
    console.error = (what) => printed.push(what)
    try {
      const mine = new Error('mine')
      const { client, stream } = await open(Client, {
        onError: () => {
          throw mine
        },
      })
      const heard = []
      client.on('a', () => {
        throw new Error('first')
      })
      client.on('a', () => heard.push(1))
      await microtasks()
      stream.event('a', 11, { to: 'user' })
      equal([heard, printed.length, printed[0] === mine], [[1], 1, true])
      client.disconnect()
    } finally {
      console.error = error
    }
  })

export const callbacks_may_call_anything = (Client) =>
  run(async () => {
    const { client, stream } = await open(Client)
    const heard = []
    let removed
    const own = client.on('a', () => {
      heard.push('own')
      client.unsubscribe(own)
      client.on('a', () => heard.push('again'))
      client.unsubscribe(removed)
    })
    removed = client.on('a', () => heard.push('removed'))
    await microtasks()
    stream.event('a', 11, { to: 'user' })
    equal(heard, ['own'], 'not the one that was removed before its turn:')
    stream.event('a', 12, { to: 'user' })
    equal(heard, ['own', 'again'])
    client.on('b', () => {
      client.disconnect()
      equal(client.state, 'closed')
      client.connect()
      equal(client.state, 'connecting')
      client.on('c', () => heard.push('c'))
    })
    await microtasks()
    stream.event('b', 13, { to: 'user' })
    equal(stream.closed, true)
    await microtasks()
    equal(FakeEventSource.all.length, 2, 'it connects once:')
    FakeEventSource.last.connected([], { resumed: true })
    FakeEventSource.last.event('c', 14, { to: 'user' })
    equal(heard, ['own', 'again', 'c'])
    client.disconnect()
  })

export const the_browser_may_call_while_it_is_called = (Client) =>
  run(async () => {
    const { client, stream } = await open(Client)
    const heard = []
    client.on('a', (event) => {
      heard.push(event.payload.seq)
      if (event.payload.seq > 11) return
      stream.event('a', 12, { to: 'user' })
      dispatchEvent(new Event('online'))
      heard.push('back')
    })
    await microtasks()
    stream.event('a', 11, { to: 'user' })
    equal([heard, client.state], [[11, 12, 'back'], 'open'])
    client.disconnect()
  })

export const what_a_callback_causes_comes_after_what_was_decided_before_it = (Client) =>
  run(async () => {
    const states = []
    const client = new Client({
      ...alone,
      url: '/e',
      onState: (state) => {
        states.push(state)
        if (state === 'connecting') client.disconnect()
      },
    })
    client.connect()
    await microtasks()
    equal(states, ['connecting', 'closed'])
    equal([client.state, FakeEventSource.all.filter((one) => !one.closed).length], ['closed', 0])
  })

export const a_live_subscription_is_posted_and_confirmed_in_the_stream = (Client) =>
  run(async () => {
    const live = await open(Client)
    const { client, stream } = live
    const [old, fresh, settled] = [[], [], []]
    await subscribe(live, 'a', (event) => old.push(event.payload.seq))
    client.subscribe('a', (event) => fresh.push(event.payload.seq), (code) => settled.push(code), undefined, '1.3.a')
    const call = await request()
    const { method, credentials } = new Request(call.url, call.init)
    equal([call.url, method, credentials], ['/e/subscribe', 'POST', 'same-origin'])
    equal(call.body, { connectionId: 'n1', requestId: '2', channels: ['a'], since: '1.3.a' })
    equal(call.init.headers, { 'content-type': 'application/json' })
    call.answer(200, { accepted: ['a'], rejected: [] })
    stream.emit('backfill', { requestId: '2', channel: 'a', type: 't', cursor: '1.4.a', payload: { seq: 4 } })
    stream.event('a', 11)
    equal([old, fresh, settled], [[11], [4], []])
    stream.emit('subscribed', { requestId: '2', channels: ['a'], cursor: '1.11.a' })
    stream.event('a', 12)
    equal([old, fresh, settled], [[11, 12], [4, 12], [null]])
    client.disconnect()
  })

export const a_refused_channel_is_told = (Client) =>
  run(async () => {
    const { client, told } = await open(Client)
    const settled = []
    client.subscribe('a', () => {}, (code) => settled.push(code))
    const call = await request()
    call.answer(200, { accepted: [], rejected: [{ channel: 'a', code: 'forbidden' }] })
    await until(() => settled.length)
    equal(settled, ['forbidden'])
    equal(told.errors, [{ code: 'forbidden', willRetry: false, channel: 'a' }])
    client.disconnect()
  })

export const leaving_is_batched_and_posted = (Client) =>
  run(async () => {
    const live = await open(Client)
    const { client } = live
    const one = await subscribe(live, 'a', () => {})
    const two = client.subscribe('a', () => {})
    await microtasks()
    client.unsubscribe(one)
    await microtasks()
    equal(requests.length, 0, 'somebody still listens:')
    client.unsubscribe(two)
    client.unsubscribe(two)
    const call = await request()
    equal([call.url, call.body.channels], ['/e/unsubscribe', ['a']])
    client.disconnect()
  })

export const a_gap_is_told_to_all_and_to_those_it_concerns = (Client) =>
  run(async () => {
    const live = await open(Client)
    const [a, b] = [[], []]
    await subscribe(live, 'a', () => {}, undefined, (...gap) => a.push(gap))
    await subscribe(live, 'b', () => {}, undefined, (...gap) => b.push(gap))
    live.stream.emit('gap', { channels: ['a'], reason: 'trimmed' })
    live.stream.emit('gap', { channels: null, reason: 'epoch' }, '2.1.a')
    const [one, all] = [[['a'], 'trimmed', false], [null, 'epoch', true]]
    equal(live.told.gaps, [one, all])
    equal([a, b], [[one, all], [all]])
    live.stream.fail()
    await until(() => FakeEventSource.all.length === 2)
    equal(parameters(FakeEventSource.last.url).lastEventId, '2.1.a')
    live.client.disconnect()
  })

export const a_failed_connect_is_diagnosed = (Client) =>
  run(async () => {
    const told = []
    const client = new Client({ ...alone, url: '/e', reconnect, withCredentials: true, onError: (report) => told.push(report) })
    client.connect()
    await microtasks()
    const statuses = [
      [(check) => check.fail(), { code: 'network', willRetry: true }],
      [(check) => check.text(502, '<html>'), { code: 'unavailable', willRetry: true, status: 502 }],
      [(check) => check.answer(200, { userId: null }), { code: 'network', willRetry: true }],
    ]
    for (const [answer, report] of statuses) {
      const streams = FakeEventSource.all.length
      FakeEventSource.last.fail()
      equal(FakeEventSource.last.closed, true)
      const check = await request()
      equal([check.url, check.init.credentials, check.init.method], [`/e/check?deviceId=d1&protocol=2`, 'include', null])
      answer(check)
      await until(() => FakeEventSource.all.length > streams)
      equal(told.splice(0), [report])
    }
    client.disconnect()
  })

export const a_refusal_is_tried_slowly_and_says_its_own_code = (Client) =>
  run(async () => {
    const [states, errors] = [[], []]
    const client = new Client({
      ...alone,
      url: '/e',
      reconnect: { baseMs: 0, capMs: 90_000 },
      onState: (...status) => states.push(status),
      onError: (report) => errors.push(report),
    })
    client.connect()
    await microtasks()
    FakeEventSource.last.fail()
    let check = await request()
    check.answer(401, { status: 401, code: 'credentialsExpired', title: '', detail: 'since noon' })
    await until(() => errors.length)
    equal(errors.pop(), { code: 'credentialsExpired', willRetry: true, status: 401, detail: 'since noon' })
    equal(states.pop(), ['waiting', 1, 90_000, null])

    client.connect()
    await microtasks()
    FakeEventSource.last.fail()
    check = await request()
    check.answer(503, {}, { 'Retry-After': '7' })
    await until(() => errors.length)
    equal([errors.pop().code, states.pop()], ['unavailable', ['waiting', 1, 7_000, null]])

    client.connect()
    await microtasks()
    FakeEventSource.last.fail()
    check = await request()
    // Measured by the server's clock, whatever it shows.
    check.answer(429, {}, { Date: new Date(1_000_000).toUTCString(), 'Retry-After': new Date(1_060_000).toUTCString() })
    await until(() => errors.length)
    const [state, , wait] = states.pop()
    equal([state, wait], ['waiting', 60_000])

    client.connect()
    await microtasks()
    for (const header of ['soon', '-5', new Date(0).toUTCString()]) {
      const streams = FakeEventSource.all.length
      states.length = 0
      FakeEventSource.last.fail()
      check = await request()
      check.answer(503, {}, { 'Retry-After': header })
      await until(() => FakeEventSource.all.length > streams)
      const waits = states.filter(([state]) => state === 'waiting').map(([, , wait]) => wait ?? null)
      equal(waits, [null, 0], `no wait is read from ${header}:`)
    }
    client.disconnect()
  })

export const a_fetch_that_throws_is_a_failed_request = (Client) =>
  run(async () => {
    const { client, told } = await open(Client)
    const fetch = globalThis.fetch
    globalThis.fetch = () => {
      throw new TypeError('no such thing')
    }
    client.subscribe('a', () => {})
    await until(() => told.errors.length)
    equal(told.errors[0], { code: 'network', willRetry: true })
    globalThis.fetch = fetch
    equal((await request()).body.channels, ['a'])
    client.disconnect()
  })

export const silence_opens_another_stream = (Client) =>
  run(async () => {
    const { client, told, stream } = await open(Client)
    stream.fail()
    await until(() => FakeEventSource.all.length === 2)
    FakeEventSource.last.connected([], { resumed: true, heartbeatMs: 8 })
    await until(() => FakeEventSource.all.length === 3)
    equal(told.errors, [{ code: 'silent', willRetry: true }])
    equal(FakeEventSource.all.map((one) => one.closed), [true, true, false])
    client.disconnect()
  })

export const a_broken_frame_is_told_and_passed_over = (Client) =>
  run(async () => {
    const { client, told, stream } = await open(Client)
    const heard = []
    client.on('*', (event) => heard.push(event.payload))
    await microtasks()
    const broken = ['', '{', 'null', '1', '"text"']
    for (const name of ['message', 'backfill', 'connected', 'subscribed', 'gap', 'revoked', 'closing']) {
      for (const data of broken) stream.emit(name, data)
    }
    equal(told.errors.length, 7 * broken.length)
    equal(told.errors[0], { code: 'malformedFrame', willRetry: false, detail: 'message' })
    for (const data of [[], {}, { channel: 1, to: 'user' }, { channel: 'two words', to: 'user', except: 1, cursor: [] }]) {
      for (const name of ['message', 'backfill']) stream.emit(name, data)
    }
    for (const name of ['subscribed', 'gap', 'revoked']) stream.emit(name, { channels: [1, null], cursor: 1, requestId: [] })
    equal(heard, [])
    stream.event('a', 11, { to: 'user', payload: 'still here' })
    equal([heard, client.state], [['still here'], 'open'])
    client.disconnect()
  })

export const the_page_cache_holds_no_stream = (Client) =>
  run(async () => {
    const { client, stream } = await open(Client)
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))
    equal([stream.closed, client.state], [true, 'waiting'])
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))
    equal([FakeEventSource.all.length, parameters(FakeEventSource.last.url).lastEventId], [2, '1.10.a'])
    client.disconnect()
  })

export const online_and_a_visible_tab_cut_a_wait_short = (Client) =>
  run(async () => {
    for (const happens of [
      () => dispatchEvent(new Event('online')),
      () => document.dispatchEvent(new Event('visibilitychange')),
    ]) {
      const { client, stream } = await open(Client, { reconnect: { baseMs: 1e9, capMs: 1e9 } })
      const streams = FakeEventSource.all.length
      stream.fail()
      equal(client.state, 'waiting')
      happens()
      await until(() => FakeEventSource.all.length > streams)
      client.disconnect()
    }
  })

export const a_waiting_client_that_ended_hears_no_more_of_the_page = (Client) =>
  run(async () => {
    const { client } = await open(Client)
    client.disconnect()
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))
    dispatchEvent(new Event('online'))
    await microtasks()
    equal([client.state, FakeEventSource.all.length], ['closed', 1])
  })

/** For these tests, `device` has the exports of `device.js`. */
export const the_device_is_remembered = (_, { deviceId, agreedDeviceId }) =>
  run(async () => {
    equal([deviceId(), await agreedDeviceId()], ['d1', 'd1'])
    localStorage.setItem('tidings.deviceId', 'two\nlines')
    Object.defineProperty(navigator, 'locks', { configurable: true, value: undefined })
    const drawn = deviceId()
    delete navigator.locks
    equal([/^[0-9a-f]{32}$/.test(drawn), localStorage.getItem('tidings.deviceId') === drawn], [true, true], 'what fits no header is replaced:')
  })

export const tabs_that_draw_a_device_in_the_same_moment_agree_on_one = (_, { deviceId, agreedDeviceId }) =>
  run(async () => {
    localStorage.clear()
    // Another tab has generated an id before us, and storage has not passed it on yet.
    let end
    await new Promise((granted) => {
      void navigator.locks.request('tidings device is d7', { mode: 'shared' }, () => (granted(), new Promise((resolve) => (end = resolve))))
    })
    const drawn = deviceId()
    equal([drawn === deviceId(), drawn === 'd7'], [true, false])
    equal([await agreedDeviceId(), await agreedDeviceId(), deviceId(), localStorage.getItem('tidings.deviceId')], ['d7', 'd7', 'd7', 'd7'])
    end()
  })

export const refused_storage_leaves_the_device_in_memory = (_, { deviceId, agreedDeviceId }) =>
  run(async () => {
    const storage = Object.getOwnPropertyDescriptor(globalThis, 'localStorage')
    const refuse = () => {
      throw new DOMException('refused', 'SecurityError')
    }
    Object.defineProperty(navigator, 'locks', { configurable: true, value: { request: async () => refuse() } })
    for (const refusing of [{ get: refuse }, { value: { getItem: () => null, setItem: refuse } }, { value: null }]) {
      Object.defineProperty(globalThis, 'localStorage', { configurable: true, ...refusing })
      try {
        const agreed = await agreedDeviceId()
        equal([agreed.length > 1, agreed === deviceId()], [true, true])
      } finally {
        Object.defineProperty(globalThis, 'localStorage', storage)
      }
    }
    delete navigator.locks
  })

export const a_browser_without_event_source_is_told = (Client) =>
  run(async () => {
    delete globalThis.EventSource
    const errors = []
    const client = new Client({ ...alone, url: '/e', onError: (report) => errors.push(report) })
    client.connect()
    await microtasks()
    equal([errors.length, errors[0].code, errors[0].willRetry, client.state], [1, 'unsupported', false, 'closed'])
  })

export const bad_arguments_are_thrown_with_a_code = (Client) =>
  run(async () => {
    const code = (call) => {
      try {
        call()
      } catch (error) {
        return error instanceof Error && error.code
      }
    }
    for (const url of ['', 'http://localhost:undefined/e', 'http://', 'javascript:alert(1)']) equal(code(() => new Client({ ...alone, url })), 'malformedUrl', url)
    equal(code(() => new Client({ ...alone, url: '/e', deviceId: 'ü' })), 'malformedId')
    equal(code(() => new Client({ ...alone, url: '/e', sessionId: '' })), 'malformedId')
    const client = new Client({ ...alone, url: '/e' })
    equal(code(() => client.subscribe('a b', () => {})), 'malformedChannel')
    equal(code(() => client.on('', () => {})), 'malformedChannel')
    await microtasks()
    equal([client.state, FakeEventSource.all.length], ['idle', 0])
  })

export const a_client_lives_on_without_its_handle = (Client) =>
  run(async () => {
    const { client, stream } = await open(Client)
    const heard = []
    client.on('a', () => heard.push(1))
    await microtasks()
    client.free()
    stream.event('a', 11, { to: 'user' })
    equal(heard, [1])
    stream.fail()
    await until(() => FakeEventSource.all.length === 2)
    FakeEventSource.last.emit('closing', { reason: 'drain', retryMs: 1e9 })
  })

export const an_answer_that_comes_after_the_end_harms_nobody = (Client) =>
  run(async () => {
    const { client } = await open(Client)
    client.subscribe('a', () => {})
    const call = await request()
    client.disconnect()
    client.free()
    const uncaught = []
    const collect = (event) => {
      event.preventDefault()
      uncaught.push(String(event.reason ?? event.message))
    }
    addEventListener('unhandledrejection', collect)
    call.answer(200, { accepted: ['a'], rejected: [] })
    await microtasks()
    await microtasks()
    removeEventListener('unhandledrejection', collect)
    equal(uncaught, [])
  })

export const routes_follow_the_handlers = (Client) =>
  run(async () => {
    const live = await open(Client)
    const heard = []
    await subscribe(live, 'a:*', () => heard.push('a:*'))
    live.stream.event('a:1', 11)
    live.stream.event('a:1', 12)
    await subscribe(live, 'a:1', () => heard.push('a:1'))
    live.stream.event('a:1', 13)
    live.stream.event('a:1', 14, { to: 'user' })
    live.stream.event('*', 15)
    equal(heard, ['a:*', 'a:*', 'a:*', 'a:1', 'a:*', 'a:1'])
    live.client.disconnect()
  })

export const a_record_that_excludes_this_tab_is_dropped = (Client) =>
  run(async () => {
    const { client, stream } = await open(Client)
    const heard = []
    client.on('a', (event) => heard.push(event.payload.seq))
    await microtasks()
    stream.event('a', 11, { to: 'user', except: { userId: 'ana', sessionId: 's1' } })
    stream.event('a', 12, { to: 'user', except: { userId: 'bob', sessionId: 's1' } })
    stream.event('a', 13, { to: 'user', except: { userId: 'ana', deviceId: 'd1' } })
    equal(heard, [12])
    client.disconnect()
  })
