// How other Server-Sent Events clients read a Tidings stream: each is connected to one, and its first messages are
// printed. The script installs the clients below `target/foreign` on its first run.
//
//     cargo build --release -p hub && node tests/foreign/run.mjs [HUB]
//
// HUB is the hub's program, by default `target/release/hub`. Needs Node 20, Python 3 with pip, and cargo.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { join, resolve } from 'node:path'

const here = import.meta.dirname
const root = join(here, '../..')
const target = join(root, 'target/foreign')
const hub = resolve(process.argv[2] ?? join(root, 'target/release/hub'))
/** How long a client may take for its first messages, in milliseconds. */
const PATIENCE_MS = 15_000

const NPM = ['@microsoft/fetch-event-source', '@sentool/fetch-event-source', 'eventsource', 'eventsource-client', 'eventsource-parser', 'launchdarkly-eventsource', 'sse.js']
const PYPI = { 'httpx-sse': 'httpx-sse==0.4.3', sseclient: 'sseclient==0.0.27', 'sseclient-py': 'sseclient-py==1.8.0', aiosseclient: 'aiosseclient==0.1.8', 'aiohttp-sse-client': 'aiohttp-sse-client==0.2.1' }
const CRATES = ['eventsource-client', 'eventsource-stream', 'reqwest-eventsource']

/** The payload contains characters that some clients take for the end of a line. */
const PAYLOAD = 'a\u2028b\u0085c'
const payload = (data) => {
  try {
    return JSON.parse(data).payload
  } catch {
    return undefined
  }
}

const quiet = { stdio: ['ignore', 'ignore', 'inherit'] }
function install() {
  if (!existsSync(join(here, 'node_modules'))) execFileSync('npm', ['install', '--no-audit', '--no-fund', '--workspaces=false'], { cwd: here, ...quiet })
  // Each package has a folder of its own, because two of them have a module of the same name.
  for (const [name, requirement] of Object.entries(PYPI)) {
    const folder = join(target, 'python', name)
    if (existsSync(folder)) continue
    mkdirSync(folder, { recursive: true })
    const more = name === 'httpx-sse' ? ['httpx'] : name === 'sseclient-py' ? ['requests'] : []
    execFileSync('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', folder, requirement, ...more], quiet)
  }
  execFileSync('cargo', ['build', '--quiet', '--manifest-path', join(here, 'rust/Cargo.toml'), '--target-dir', target], quiet)
}

/** Starts a hub on a free port. Resolves with its base URL. */
async function start() {
  const child = spawn(hub, ['--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface(child.stdout)) {
    const url = /http:\/\/[\d.:]+|127\.0\.0\.1:\d+/.exec(line)?.[0]
    if (url) return { child, base: `${url.startsWith('http') ? url : `http://${url}`}/api/events` }
  }
  throw new Error('the hub said nothing')
}

/** Connects a client to a stream on a channel of its own, and publishes there once the client listens. */
async function show(base, index, name, program, args, env = {}) {
  const channel = `foreign:${index}`
  const url = `${base}?user=ana&channels=${channel}&nonce=${index}`
  const child = spawn(program, [...args, url], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  let said = ''
  child.stderr.on('data', (chunk) => (said += chunk))
  const messages = []
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
  // The event is published until the client reports it, because nothing tells when the client listens.
  const publish = setInterval(() => {
    const body = JSON.stringify({ channel, type: 'tick', payload: PAYLOAD })
    fetch(`${base}/publish`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }).catch(() => {})
  }, 300)
  for await (const line of createInterface(child.stdout)) {
    messages.push(JSON.parse(line))
    if (messages.length === 4 || messages.some(({ error, event, data }) => error || (event === 'message' && data))) break
  }
  clearInterval(publish)
  clearTimeout(timer)
  child.kill('SIGKILL')
  const short = ({ error, event, id, data = '' }) => (error ? `error: ${error}` : `${event} ${id || '(no id)'} ${data ? data.slice(0, 46) : '(empty)'}`)
  if (messages.length === 0) messages.push({ error: said.trim().split('\n').at(-1) || 'no message' })
  console.log(`${name}`)
  for (const message of messages) console.log(`    ${short(message)}`)
  const whole = ({ error, event, data }) => !error && data && (event !== 'message' || payload(data) === PAYLOAD)
  const good = messages.every(whole)
  return { name, good }
}

install()
const { child, base } = await start()
const results = []
let index = 0
try {
  for (const name of NPM) results.push(await show(base, index++, `npm ${name}`, process.execPath, [join(here, 'client.mjs'), name]))
  for (const name of Object.keys(PYPI)) results.push(await show(base, index++, `PyPI ${name}`, 'python3', [join(here, 'client.py'), name], { PYTHONPATH: join(target, 'python', name) }))
  for (const name of CRATES) results.push(await show(base, index++, `crates.io ${name}`, join(target, 'debug/foreign'), [name]))
} finally {
  child.kill()
}
const bad = results.filter(({ good }) => !good)
console.log(`\n${results.length} clients, ${results.length - bad.length} of which heard whole messages and nothing else`)
for (const { name } of bad) console.log(`not: ${name}`)
process.exitCode = bad.length ? 1 : 0
