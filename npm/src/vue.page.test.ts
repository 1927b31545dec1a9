import { createApp, createSSRApp, effectScope, h, nextTick, reactive, ref, type App, type CreateAppFunction } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { expect, test, vi } from 'vitest'
import { browser, settle } from '../test/browser.ts'
import Probe from '../test/components/Probe.vue'
import { probeTests, type Mounted, type ProbeProps } from '../test/probe.ts'
import { Tidings } from './index.ts'
import { TidingsPlugin, useChannel } from './vue.ts'

const begin =
  (create: CreateAppFunction<Element>) =>
  (target: Element, client: Tidings, given: ProbeProps): Mounted => {
    const props = reactive({ ...given })
    const app = create({ render: () => h(Probe, props) }).use(TidingsPlugin, { client })
    app.mount(target)
    return { change: (changed) => void Object.assign(props, changed), unmount: once(() => app.unmount()) }
  }

/** Makes ending an app that a test has already ended harmless. */
function once(end: () => void): () => void {
  let ended = false
  return () => {
    if (!ended) end()
    ended = true
  }
}

test('a scope outside components, as a store has, listens at once and until it is stopped', async () => {
  const client = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource' })
  const app = createApp({}).use(TidingsPlugin, { client })
  const heard = vi.fn()
  const channel = ref('a')
  const scope = effectScope()
  app.runWithContext(() => scope.run(() => useChannel(channel, ({ payload }) => heard(payload))))
  await settle()
  browser.stream.open()
  browser.stream.event('a', 1, { seq: 43 })
  scope.stop()
  channel.value = 'b'
  await nextTick()
  browser.stream.event('a', 2, { seq: 44 })
  expect(heard.mock.calls).toEqual([[1]])
  client.reset()
})

probeTests({
  mount: begin(createApp),
  serve: (client, props) => renderToString(createSSRApp({ render: () => h(Probe, { ...props }) }).use(TidingsPlugin, { client })),
  hydrate: begin(createSSRApp),
  mountBare: (target) => {
    const app: App = createApp({ render: () => h(Probe, { channel: 'a', heard: () => {} }) })
    app.config.warnHandler = () => {}
    app.mount(target)
  },
})
