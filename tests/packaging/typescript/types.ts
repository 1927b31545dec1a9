// An application that has registered the types of its channels, in syntax that the oldest compiler knows.
import { Tidings, type TidingsClient, type TidingsError, type TidingsOptions } from 'tidings'
import { queueOffline } from 'tidings/offline'

interface Timer {
  id: number
}
declare module 'tidings' {
  interface Register {
    channels: { [timer: `timer:${string}`]: { type: 'started'; payload: Timer } | { type: 'cleared' }; news: string }
    labels: { inbox: { type: 'arrived'; payload: { subject: string } } }
  }
}

const options: TidingsOptions = { url: undefined, onError: ({ code }: TidingsError) => void code.length }
export const client: TidingsClient = new Tidings(options)
client.subscribe('timer:1', (event) => {
  if (event.type === 'started') event.payload.id.toFixed()
  // @ts-expect-error there is no such type of event
  if (event.type === 'strated') return
})
client.on('inbox', ({ payload }) => void payload.subject.length)
// @ts-expect-error what is addressed under a label is on no channel
client.subscribe('inbox', () => {})
client.presence('timer:*', ({ here }) => void here.length, { onStatus: (status) => void status.length })
// @ts-expect-error the user may be another one later, so it is asked for
queueOffline(new Tidings(), { user: 'ana' })
