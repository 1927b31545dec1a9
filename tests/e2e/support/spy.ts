/** Records what arrives on a page's streams, to tell events that the client hides from events that never arrived. */
import type { Page } from '@playwright/test'

/** Installs it in every page, before any other script. */
export async function spyOnStreams(page: Page): Promise<void> {
  await page.addInitScript(spy)
}

/** Installs it in a page that has no streams yet. */
export function spy(): void {
  globalThis.received = []
  globalThis.streams = []
  const names = ['message', 'connected', 'subscribed', 'backfill', 'gap', 'heartbeat', 'closing']
  globalThis.EventSource = class extends EventSource {
    constructor(url: string | URL, options?: EventSourceInit) {
      super(url, options)
      streams.push(this)
      for (const name of names) {
        this.addEventListener(name, ({ data }) => received.push({ name, data }))
      }
    }
  }

  const fetch = globalThis.fetch
  globalThis.fetch = async (...request) => {
    const response = await fetch(...request)
    const stream: { readyState: number } = { readyState: EventSource.OPEN }
    const closed = (): void => void (stream.readyState = EventSource.CLOSED)
    if (!response.headers.get('content-type')?.startsWith('text/event-stream') || !response.body) return response
    streams.push(stream)
    request[1]?.signal?.addEventListener('abort', closed)
    let rest = ''
    const text = new TextDecoder()
    const overheard = response.body.pipeThrough(
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          const frames = (rest + text.decode(chunk, { stream: true })).split('\n\n')
          rest = frames.pop() ?? ''
          for (const frame of frames) {
            const [, data] = /^data: (.*)$/m.exec(frame) ?? []
            if (data !== undefined) received.push({ name: /^event: (.*)$/m.exec(frame)?.[1] ?? 'message', data })
          }
          controller.enqueue(chunk)
        },
        flush: closed,
      }),
    )
    return new Response(overheard, response)
  }
}
