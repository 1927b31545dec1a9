/**
 * Cursors, which are opaque to an application but not to this package: `epoch.seq.tag`, each in base 36. Where a stream
 * carries several logs, a cursor is a list of them, one for each log, joined by commas.
 */

/** The number of the record and the cursor in each log, by the log's epoch. */
const parts = (cursors: string): Map<string, { seq: number; cursor: string }> =>
  new Map(
    cursors.split(',').map((cursor) => {
      const [epoch = '', seq = ''] = cursor.split('.')
      return [epoch, { seq: parseInt(seq, 36), cursor }]
    }),
  )

/**
 * Whether the position `cursor` comes after the position `other` in one of its logs. Positions of two epochs cannot be
 * compared, and the answer is then `true`.
 */
export function isAfter(cursor: string, other: string): boolean {
  const others = parts(other)
  return [...parts(cursor)].some(([epoch, { seq }]) => seq > (others.get(epoch)?.seq ?? -1))
}

/** The earliest of some positions, log by log, if all have the same epochs. */
export function earliest(cursors: readonly string[]): string | undefined {
  const [first, ...rest] = cursors.map(parts)
  if (!first || rest.some((other) => other.size !== first.size || [...other.keys()].some((epoch) => !first.has(epoch)))) return undefined
  for (const [epoch, part] of rest.flatMap((other) => [...other])) {
    if (part.seq < (first.get(epoch)?.seq ?? 0)) first.set(epoch, part)
  }
  return [...first.values()].map(({ cursor }) => cursor).join(',')
}
