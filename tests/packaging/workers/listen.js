/** Listens by a client, and says its state and what came last. */
export function listen(tidings, say) {
  let latest = 'none'
  const tell = () => say(`${tidings.state} ${latest}`)
  tidings.subscribeState(tell)
  tidings.subscribe('note:42', ({ payload }) => {
    latest = payload
    tell()
  })
  tell()
}
