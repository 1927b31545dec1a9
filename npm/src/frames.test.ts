import { describe, expect, test, vi } from 'vitest'
import { browser, settle } from '../test/browser.ts'
import { connected, make, stubEach } from '../test/clients.ts'
import { fixture } from '../test/fixtures.ts'

stubEach()

describe('golden frames', () => {
  interface Frame {
    name: string
    event: string
    id?: string | null
    data: unknown
  }
  interface Text {
    event: string
    data: string
  }
  const { written, read, ignored, refused } = fixture<{ written: Frame[]; read: Frame[]; ignored: Text[]; refused: Text[] }>('frames')

  test.each(written.filter(({ event }) => event === 'message'))('$name: heard as it was written', async ({ data, id }) => {
    const tidings = make({ onError: (error) => expect.unreachable(error.message) })
    const handler = vi.fn()
    tidings.subscribe('*', handler)
    tidings.on('*', handler)
    await settle()
    browser.stream.open()
    browser.stream.frame('message', data, id ?? '')
    expect(handler.mock.calls).toEqual([[{ cursor: id, ...(data as object) }]])
  })

  const frames = [...written, ...read].filter(({ event }) => event !== 'closing' && event !== 'revoked')

  test.each(frames)('$name: taken without complaint', async ({ event, data, id }) => {
    const onError = vi.fn()
    await connected({ onError })
    browser.stream.frame(event, data, id ?? '')
    await settle()
    expect(onError.mock.calls.filter(([error]) => !error.channel)).toEqual([])
  })

  test.each([...ignored, ...refused])('$event $data: harms nobody', async ({ event, data }) => {
    const tidings = await connected({ onError: () => {} })
    const handler = vi.fn()
    tidings.on('a', handler)
    browser.stream.text(event, data)
    await settle()
    if (tidings.state !== 'open') {
      tidings.connect()
      await settle()
      browser.stream.open()
    }
    browser.stream.event('a', 1, { to: 'user', seq: 90 })
    expect(handler).toHaveBeenCalledTimes(1)
  })
})
