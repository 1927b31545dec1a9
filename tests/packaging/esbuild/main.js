import { Tidings } from 'tidings'
import { Tidings as Slim } from 'tidings/slim'
import wasm from 'tidings/tidings.wasm' // a URL, by --loader:.wasm=file

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

show(new Tidings({ url: '/api/events?user=ana' }), 'inlined')
show(new Slim({ url: '/api/events?user=ana', wasm }), 'slim')
