import type { Member, PresenceHandler } from './types.ts'

/** What the stream says of one channel: all who are there, or a change. Read from outside, so nothing in it is certain. */
interface Frame {
  here?: Member[]
  join?: Member[]
  leave?: Member[]
}

/** No user id holds a line end. */
const nameOf = ({ userId, deviceId }: Member): string => `${userId}\n${deviceId}`

/**
 * Keeps the list of one channel for one handler. A list that comes anew, after a reconnect, is told as who came and left
 * meanwhile, and not at all if nobody did.
 */
export function roster(handler: PresenceHandler): (frame: Frame) => void {
  let known: Map<string, Member> | undefined
  return ({ here, join = [], leave = [] }) => {
    const before = known
    const now = new Map(here ? [] : before)
    for (const member of leave) now.delete(nameOf(member))
    for (const member of here ?? join) now.set(nameOf(member), member)
    known = now
    const came = [...now].filter(([name]) => !before?.has(name)).map(([, member]) => member)
    const left = [...(before ?? [])].filter(([name]) => !now.has(name)).map(([, member]) => member)
    if (!before || came.length > 0 || left.length > 0) handler({ here: [...now.values()], join: came, leave: left })
  }
}
