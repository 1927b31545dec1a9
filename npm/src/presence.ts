import type { Member, PresenceHandler } from './types.ts'

/**
 * A frame of the stream about one channel: the whole list, or a change. It comes from outside, so no field is certain.
 */
interface Frame {
  here?: Member[]
  join?: Member[]
  leave?: Member[]
  asked?: number
  answered?: number
}

/** A user id contains no line break, so the text is unambiguous. */
const nameOf = ({ userId, deviceId }: Member): string => `${userId}\n${deviceId}`

/**
 * Keeps the list of one channel for one handler. A list that is sent in full again, after a reconnect or because other
 * servers answer than before, is reported as the users who came and left meanwhile, and not at all without a difference.
 */
export function roster(handler: PresenceHandler): (frame: Frame) => void {
  let known: Map<string, Member> | undefined
  // A server that has the log to itself names no numbers.
  let counts = { asked: 1, answered: 1 }
  return ({ here, join = [], leave = [], asked = 1, answered = 1 }) => {
    const before = known
    // Where the channel was watched before the handler was made, changes may come before the handler's own list.
    if (!before && !here) return
    const were = counts
    if (here) counts = { asked, answered }
    const now = new Map(here ? [] : before)
    for (const member of leave) now.delete(nameOf(member))
    for (const member of here ?? join) now.set(nameOf(member), member)
    known = now
    const came = [...now].filter(([name]) => !before?.has(name)).map(([, member]) => member)
    const left = [...(before ?? [])].filter(([name]) => !now.has(name)).map(([, member]) => member)
    if (!before || came.length > 0 || left.length > 0 || counts.asked !== were.asked || counts.answered !== were.answered)
      handler({ here: [...now.values()], join: came, leave: left, ...counts })
  }
}
