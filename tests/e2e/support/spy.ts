/** Records what reaches a page through its `EventSource`s, so that what the client hides is told from what never came. */
import type { Page } from '@playwright/test'

export async function spyOnStreams(page: Page): Promise<void> {
  await page.addInitScript(() => {
    globalThis.received = []
    const names = ['message', 'connected', 'subscribed', 'backfill', 'gap', 'heartbeat', 'closing']
    globalThis.EventSource = class extends EventSource {
      constructor(url: string | URL, options?: EventSourceInit) {
        super(url, options)
        for (const name of names) {
          this.addEventListener(name, ({ data }) => received.push({ name, data }))
        }
      }
    }
  })
}
