/** Queries to the test page. */
import type { Page } from '@playwright/test'
import type { ConnectionState } from 'tidings'
import type { Told } from '../site/globals.d.ts'

/** The payloads that a handler received. */
export const heard = (page: Page, as: string): Promise<unknown[]> => page.evaluate((as) => told.heard[as] ?? [], as)

/** Everything that the client has reported to the page so far. */
export const toldTo = (page: Page): Promise<Told> => page.evaluate(() => told)

export const stateOf = (page: Page): Promise<ConnectionState> => page.evaluate(() => tidings.state)

/** Subscribes. Resolves when the server has confirmed it in the stream. */
export const hear = (page: Page, channel: string, options: { as?: string; since?: string } = {}): Promise<void> =>
  page.evaluate(async ([channel, options]) => void (await globalThis.hear(channel, options).ready), [channel, options] as const)

/** The payloads of all events on the page's streams, with or without handlers. */
export const received = (page: Page): Promise<unknown[]> =>
  page.evaluate(() => globalThis.received.filter(({ name }) => name === 'message').map(({ data }) => JSON.parse(data).payload))

/** Opens a stream, without any channel. */
export const connect = (page: Page): Promise<void> =>
  page.evaluate(async () => {
    await new Promise<void>((open) => {
      tidings.subscribeState(() => tidings.state === 'open' && open())
      tidings.connect()
    })
  })

