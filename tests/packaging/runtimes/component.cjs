// A component that listens, as a test of an application's renders it; and a client without a page. Resolves with what became of either.
module.exports = async function component({ Tidings, TidingsProvider, useChannel, React, createRoot }, hub, since) {
  const url = `${hub}/api/events?user=ana`
  const outcome = (begin) =>
    new Promise((resolve) => {
      const tidings = new Tidings({ url, onError: ({ code, detail }) => resolve(detail ? `${code}: ${detail}` : code) })
      const heard = ({ payload }) => (resolve(payload), tidings.disconnect())
      begin(tidings, heard)
    })
  if (!createRoot) {
    const subscribe = (tidings, heard) => void tidings.subscribe('note:42', heard, { since })
    return [await outcome(subscribe), await outcome((tidings, heard) => (subscribe(tidings, heard), tidings.connect()))]
  }
  const root = createRoot(document.body.appendChild(document.createElement('div')))
  const rendered = await outcome((client, heard) => {
    const Note = () => React.createElement('i', null, useChannel('note:42', heard, { since }).status)
    root.render(React.createElement(TidingsProvider, { client }, React.createElement(Note)))
  })
  root.unmount()
  return [rendered]
}
