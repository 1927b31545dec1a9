// A server component: it may use what needs no browser.
import { segment } from 'tidings'
import { Note } from './note'

export const dynamic = 'force-dynamic'

export default async function Page() {
  // From where the browser is to hear. A page that also loads data does so after this.
  const cursor = await (await fetch(`${process.env.HUB}/cursor`, { cache: 'no-store' })).text()
  return <Note channel={`note:${segment('42')}`} cursor={cursor} />
}
