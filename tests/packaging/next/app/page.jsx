// A server component: it may use what needs no browser.
import { segment } from 'tidings'
import { Note } from './note'

export const dynamic = 'force-dynamic'

export default function Page() {
  return <Note channel={`note:${segment('42')}`} />
}
