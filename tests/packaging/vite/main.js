import { Tidings } from 'tidings'
import { Tidings as Inline } from 'tidings/inline'

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
