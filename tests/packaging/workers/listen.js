/** Listens with a client, and reports its state and the last payload. */
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
