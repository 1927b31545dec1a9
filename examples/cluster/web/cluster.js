// The page of the cluster: it shows the state of each hub, kills and restarts hubs, and shows the timers of one user on
// two devices.

/** How often the page asks for the state of the hubs. */
const INTERVAL_MS = 500
/** The two devices, each with its own cookies and device id. */
const places = ['a', 'b']
const states = { alive: 'alive', silent: 'does not answer', dead: 'dead' }

const find = (selector) => document.querySelector(selector)
const element = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}
const say = (text) => (find('#said').textContent = text)
const post = (path, body) =>
  fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body ?? {}) })

/** The card of each hub, by its number. */
const cards = new Map()

function card({ number, address }) {
  const state = element('span', { className: 'state' })
  const figures = element('dl', {})
  const kill = element('button', { type: 'button', className: 'kill' }, 'Kill')
  const restart = element('button', { type: 'button', className: 'restart' }, 'Restart')
  const act = async (what, done) => {
    kill.disabled = restart.disabled = true
    const answer = await post(`/cluster/hubs/${number}/${what}`)
    say(answer.ok ? done : await answer.text())
    await look()
  }
  kill.addEventListener('click', () => act('kill', `Hub ${number} is gone, as by kill -9. Its streams open again at the others.`))
  restart.addEventListener('click', () => act('restart', `Hub ${number} is back.`))
  const head = element('div', { className: 'head' }, element('h2', {}, `Hub ${number}`), state)
  const node = element('article', {}, head, element('code', {}, address), figures, element('div', { className: 'buttons' }, kill, restart))
  node.dataset.hub = number
  find('#hubs').append(node)
  return { node, state, figures, kill, restart }
}

function show(hub) {
  if (!cards.has(hub.number)) cards.set(hub.number, card(hub))
  const { node, state, figures, kill, restart } = cards.get(hub.number)
  node.dataset.state = hub.state
  state.textContent = states[hub.state]
  kill.disabled = hub.state === 'dead'
  restart.disabled = hub.state !== 'dead'
  const { streams, cluster } = hub.figures ?? {}
  const rows = {
    'Streams here': streams ?? '–',
    'Streams in the cluster': cluster?.streams ?? '–',
    'Hubs that answered': cluster ? `${cluster.answered} of ${cluster.asked}` : '–',
  }
  figures.replaceChildren(...Object.entries(rows).flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, `${value}`)]))
}

async function look() {
  const { engine, hubs } = await fetch('/cluster/hubs').then((answer) => answer.json())
  find('#engine').textContent = engine
  for (const hub of hubs) show(hub)
}

async function follow() {
  for (;;) {
    try {
      await look()
    } catch {
      say('The program that starts the hubs has ended.')
    }
    await new Promise((over) => setTimeout(over, INTERVAL_MS))
  }
}

function frame(place) {
  const path = `/${place}/timers/`
  const open = element('a', { href: path, target: '_blank', rel: 'noopener' }, 'Open in a window')
  const head = element('div', { className: 'head' }, element('b', {}, `Ana, device ${place.toUpperCase()}`), open)
  return element('div', { className: 'frame' }, head, element('iframe', { src: path, title: `Timers, device ${place.toUpperCase()}` }))
}

void follow()
for (const place of places) {
  const me = await fetch(`/${place}/api/me`)
  if (!me.ok) await post(`/${place}/api/login`, { user: 'ana' })
}
find('.frames').replaceChildren(...places.map(frame))
