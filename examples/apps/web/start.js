// The start page: introduces the apps, shows one of them to two users, and injects faults on request.

/** Each app, what to try, and the user of the left and of the right frame. */
const apps = {
  timers: {
    title: 'Timers',
    text: 'One timer on all your devices, and a calendar. Svelte.',
    attempt: 'Both frames are Ana’s, on two devices. Start a timer in one, and move it to the other.',
    users: ['ana', 'ana'],
  },
  notes: {
    title: 'Notes',
    text: 'Your own notes, those of a room, and words for everybody. React, TanStack Query.',
    attempt: 'Open the same room in both frames, and write. Say something to everybody.',
    users: ['ana', 'ben'],
  },
  chat: {
    title: 'Chat',
    text: 'Conversations, groups, friends, a bell; never a poll. React.',
    attempt: 'Ask the other to be your friend, and write while the other looks elsewhere.',
    users: ['ana', 'ben'],
  },
  tables: {
    title: 'Tables',
    text: 'Lists that are right while others change them. Tokens that live for a minute. Vue.',
    attempt: 'Book the last seat of a course in both frames at once.',
    users: ['ana', 'ben'],
  },
  tasks: {
    title: 'Tasks',
    text: 'Projects that several share, and that go on without a network. React.',
    attempt: 'Make a project, add the other, stop the hub, and go on writing.',
    users: ['ana', 'ben'],
  },
}
const places = ['a', 'b']

const find = (selector) => document.querySelector(selector)
const element = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}
const say = (text) => (find('#said').textContent = text)
const post = (path, body) =>
  fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body ?? {}) })

for (const [name, { title, text }] of Object.entries(apps)) {
  find('nav').append(element('a', { href: `#${name}` }, element('b', {}, title), element('span', {}, text)))
}

async function show() {
  const name = location.hash.slice(1)
  const app = apps[name]
  find('#stage').hidden = !app
  find('#hint').hidden = !!app
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === location.hash) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  if (!app) return
  find('#app-name').textContent = app.title
  find('#app-try').textContent = app.attempt
  say('')
  // Each place has cookies of its own, so that one browser is two users.
  for (const [index, place] of places.entries()) {
    const { user } = await fetch(`/${place}/api/me`).then((answer) => answer.json())
    if (user !== app.users[index]) await post(`/${place}/api/login`, { user: app.users[index] })
  }
  find('.frames').replaceChildren(...places.map((place, index) => frame(name, place, app.users[index])))
}

function frame(name, place, user) {
  const path = `/${place}/${name}/`
  const cut = element('button', { type: 'button', className: 'cut' }, 'Cut this page’s stream')
  cut.addEventListener('click', async () => {
    await post(`/demo/cut/${place}`)
    say(`The stream of ${user}’s page broke off. It reconnects, and goes on where it stood.`)
  })
  const open = element('a', { href: path, target: '_blank', rel: 'noopener' }, 'Open in a window')
  const head = element('div', { className: 'head' }, element('b', {}, user), open, cut)
  return element('div', { className: 'frame' }, head, element('iframe', { src: path, title: `${apps[name].title}, as ${user}` }))
}

find('#stop').addEventListener('click', async ({ target }) => {
  target.disabled = true
  await post('/demo/stop')
  say('The hub is gone, as by kill -9. Change something meanwhile.')
  do await new Promise((over) => setTimeout(over, 500))
  while (!(await fetch('/start.css', { method: 'HEAD' }).then((answer) => answer.ok, () => false)))
  say('The hub is back. Both pages go on where they stood, and nothing is missing.')
  target.disabled = false
})

addEventListener('hashchange', show)
void show()
