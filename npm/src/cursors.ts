/** Cursors, which are opaque to an application and not to us: `epoch.seq.tag`, each in base 36. */

const parts = (cursor: string): [epoch: string, seq: number] => {
  const [epoch = '', seq = ''] = cursor.split('.')
  return [epoch, parseInt(seq, 36)]
}

/** Whether what stands at `cursor` comes after what stands at `other`. Of two epochs, nobody can say; then it does. */
export function isAfter(cursor: string, other: string): boolean {
  const [[epoch, seq], [otherEpoch, otherSeq]] = [parts(cursor), parts(other)]
  return epoch !== otherEpoch || seq > otherSeq
}

/** The first of some, if they are of one epoch. */
export function earliest(cursors: readonly string[]): string | undefined {
  const [first = ''] = cursors
  if (cursors.some((cursor) => parts(cursor)[0] !== parts(first)[0])) return undefined
  return cursors.length > 0 ? cursors.reduce((least, cursor) => (isAfter(least, cursor) ? cursor : least)) : undefined
}
