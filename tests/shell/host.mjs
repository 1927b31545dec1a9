// Hosts the pages of the shell's simulation (`tests/src/sim/shell/`). The Rust world starts one of these and speaks to
// it over stdin and stdout: each message is its length in four bytes, and JSON. The world sends a list of commands, and
// receives the list of effects that the pages caused. Nothing here makes decisions or depends on time or chance: the
// same commands have the same effects.
//
// `package` loads the shipped package, `page` is a browser's page with globals of its own, and `application` runs in
// it.
import { readSync, writeSync } from 'node:fs'
import { Application } from './application.mjs'
import { load } from './package.mjs'
import { Page, storages } from './page.mjs'

const STDIN = 0
const STDOUT = 1

function readFully(bytes) {
  for (let read = 0; read < bytes.length; ) {
    let count
    try {
      count = readSync(STDIN, bytes, read, bytes.length - read, null)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
      continue
    }
    if (count === 0) return false
    read += count
  }
  return true
}

function readMessage() {
  const head = Buffer.allocUnsafe(4)
  if (!readFully(head)) return undefined
  const body = Buffer.allocUnsafe(head.readUInt32LE())
  return readFully(body) ? JSON.parse(body.toString('utf8')) : undefined
}

function writeMessage(value) {
  const body = Buffer.from(JSON.stringify(value), 'utf8')
  const message = Buffer.allocUnsafe(4 + body.length)
  message.writeUInt32LE(body.length)
  body.copy(message, 4)
  for (let written = 0; written < message.length; ) {
    try {
      written += writeSync(STDOUT, message, written, message.length - written)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}

const pages = new Map()
let effects = []
let factories
let current

const note = (tab) => (does, more) => {
  // A page that is gone has no effects any more.
  if (pages.has(tab)) effects.push({ tab, does, ...more })
}

/** A rejected promise of the page that nothing caught. Node reports it after all microtasks, within the command. */
process.on('unhandledRejection', (cause) => effects.push({ tab: current, does: 'uncaught', text: String(cause?.stack ?? cause) }))
/** Resolves after the page has drained its microtasks. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

async function carryOut(command) {
  const { tab, command: name } = command
  current = tab
  if (name === 'begin') {
    pages.clear()
    storages.clear()
    factories = await load(command.sabotage)
    return
  }
  if (name === 'open') {
    const noted = note(tab)
    const page = new Page(command, factories, noted)
    pages.set(tab, { page })
    pages.get(tab).application = new Application(page, command.options, noted)
  } else {
    const { page, application } = pages.get(tab) ?? {}
    if (!page) return
    page.now = command.now
    page.wall = command.wall
    if (name === 'close') pages.delete(tab)
    else if (name === 'call') application.call(command)
    else page[name](command)
  }
  await settled()
}

for (let commands; (commands = readMessage()); ) {
  effects = []
  for (const command of commands) {
    try {
      await carryOut(command)
    } catch (error) {
      effects.push({ tab: command.tab, does: 'failed', text: String(error?.stack ?? error) })
    }
  }
  writeMessage(effects)
}
