/**
 * Cursors, which are opaque to an application and not to us: `epoch.seq.tag`, each in base 36; or, where a stream carries several logs, a
 * list of those, one for each log, joined by commas.
 */

/** The number of the record in each log, by the log's epoch; and its cursor. */
const parts = (cursors: string): Map<string, { seq: number; cursor: string }> =>
  new Map(
    cursors.split(',').map((cursor) => {
      const [epoch = '', seq = ''] = cursor.split('.')
      return [epoch, { seq: parseInt(seq, 36), cursor }]
    }),
  )

/** Whether what stands at `cursor` comes after what stands at `other`, in one of its logs. Of two epochs, nobody can say; then it does. */
export function isAfter(cursor: string, other: string): boolean {
  const others = parts(other)
  return [...parts(cursor)].some(([epoch, { seq }]) => seq > (others.get(epoch)?.seq ?? -1))
}

/** The first of some, log by log, if they are of the same epochs. */
export function earliest(cursors: readonly string[]): string | undefined {
  const [first, ...rest] = cursors.map(parts)
  if (!first || rest.some((other) => other.size !== first.size || [...other.keys()].some((epoch) => !first.has(epoch)))) return undefined
  for (const [epoch, part] of rest.flatMap((other) => [...other])) {
    if (part.seq < (first.get(epoch)?.seq ?? 0)) first.set(epoch, part)
  }
  return [...first.values()].map(({ cursor }) => cursor).join(',')
}
