// Each kind of worker listens, and reports what it has.
const show = (id) => ({ data }) => (document.getElementById(id).textContent = data)

new Worker('/worker.js', { type: 'module' }).onmessage = show('dedicated')

const { port } = new SharedWorker('/shared.js', { type: 'module' })
port.onmessage = show('shared')

navigator.serviceWorker.onmessage = show('service')
await navigator.serviceWorker.register('/service.js', { type: 'module' })
const { active } = await navigator.serviceWorker.ready
active.postMessage('listen')
