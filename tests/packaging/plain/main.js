// The package as it is in node_modules, in a plain module script.
import { Tidings } from './node_modules/tidings/dist/index.js'
import { Tidings as Inline } from './node_modules/tidings/dist/inline.js'

function show(tidings, id) {
  const shown = document.getElementById(id)
  let latest = 'none'
  const say = () => (shown.textContent = `${tidings.state} ${latest}`)
  tidings.subscribeState(say)
  tidings.subscribe('note:42', ({ payload }) => {
    latest = payload
    say()
  })
  say()
}

show(new Tidings({ url: '/api/events?user=ana' }), 'chunk')
show(new Inline({ url: '/api/events?user=ana' }), 'inline')
