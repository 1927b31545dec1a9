// Rendering on a server: it touches no browser API, even where all of them exist.
import { renderToString as renderReact } from 'react-dom/server'
import { render as renderSvelte } from 'svelte/server'
import { beforeEach, expect, test, vi } from 'vitest'
import { createSSRApp, h } from 'vue'
import { renderToString as renderVue } from 'vue/server-renderer'
import { browser, stubBrowser } from '../test/browser.ts'
import Probe from '../test/components/Probe.vue'
import Root from '../test/components/Root.svelte'
import { SERVED } from '../test/components/served.ts'
import { Tidings } from './index.ts'
import { TidingsProvider, useChannel, useConnection, useEvents, useLatest } from './react.ts'
import { TidingsPlugin } from './vue.ts'

const props = { channel: 'a', heard: (): void => {}, since: '1f.40.1' }

function ReactProbe(): React.ReactNode {
  const { state, attempt } = useConnection()
  const { event: latest } = useLatest<number>('a')
  useChannel('a', props.heard, { since: props.since })
  useEvents('timer', props.heard)
  useEvents({ changed: props.heard })
  return <i>{`${state} ${attempt} ${latest?.payload ?? 'none'}`}</i>
}

beforeEach(() => void stubBrowser())

test.each<[string, (client: Tidings) => string | Promise<string>]>([
  ['React', (client) => renderReact(<TidingsProvider client={client} children={<ReactProbe />} />)],
  ['Vue', (client) => renderVue(createSSRApp({ render: () => h(Probe, props) }).use(TidingsPlugin, { client }))],
  ['Svelte', (tidings) => renderSvelte(Root, { props: { tidings, ...props } }).body],
])('%s', async (_, render) => {
  const compiled = [vi.spyOn(WebAssembly, 'Module'), vi.spyOn(WebAssembly, 'compile')]
  const timers = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'setInterval')]
  const onState = vi.fn()
  const client = new Tidings({ url: 'http://app.test/api/events', transport: 'eventsource', onState })
  const html = await render(client)
  // `settle` would load the engine itself.
  for (let turn = 0; turn < 50; turn++) await new Promise((done) => setImmediate(done))
  expect(html.replaceAll(/<[^>]*>/g, '').replaceAll(/\s+/g, ' ').trim()).toBe('idle 0 none')
  const { streams, calls, storage } = browser
  expect([streams, calls, [...storage], compiled.flatMap((spy) => spy.mock.calls), onState.mock.calls]).toEqual([[], [], [], [], []])
  expect(timers.flatMap((timer) => timer.mock.calls)).toEqual([])
})

test('the HTML that Svelte renders is what the page test hydrates', () => {
  const tidings = new Tidings()
  expect(renderSvelte(Root, { props: { tidings, ...props } }).body).toBe(SERVED)
})
