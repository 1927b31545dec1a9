import { flushSync, hydrate, mount, unmount, type ComponentProps } from 'svelte'
import Probe from '../test/components/Probe.svelte'
import Root from '../test/components/Root.svelte'
import { probeTests, type Mounted, type ProbeProps } from '../test/probe.ts'
import { SERVED } from '../test/components/served.ts'
import { stateOf } from '../test/components/state.svelte.ts'
import type { Tidings } from './index.ts'

const begin =
  (put: (component: typeof Root, options: { target: Element; props: ComponentProps<typeof Root> }) => Record<string, unknown>) =>
  (target: Element, tidings: Tidings, given: ProbeProps): Mounted => {
    const props = stateOf({ tidings, shown: true, ...given })
    const component = put(Root, { target, props })
    flushSync()
    let ended = false
    return {
      change: (changed) => void Object.assign(props, changed),
      unmount: () => {
        if (!ended) void unmount(component)
        ended = true
      },
    }
  }

probeTests({
  mount: begin(mount),
  // Rendering on a server needs its own compilation: server.test.tsx checks that this is its result.
  serve: async () => SERVED,
  hydrate: begin(hydrate),
  mountBare: (target) => mount(Probe, { target, props: { channel: 'a', heard: () => {} } }),
})
