// The package as it is shipped, `npm/dist`. Its files are compiled once, and evaluated again for each page with that
// page's globals in place of Node's.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compileFunction } from 'node:vm'
import { patched } from './sabotages.mjs'

const dist = join(import.meta.dirname, '../../npm/dist')
const texts = Object.fromEntries(['index', 'engine'].map((name) => [name, readFileSync(join(dist, `${name}.js`), 'utf8')]))

/** The globals that each page has of its own. A global that a page lacks is `undefined` in it, whatever Node has. */
export const GLOBALS = [
  'globalThis', 'window', 'self', 'document', 'location', 'navigator', 'origin', 'localStorage', 'sessionStorage', 'fetch', 'Response', 'EventSource',
  'BroadcastChannel', 'MessageChannel', 'setTimeout', 'clearTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'performance', 'crypto', 'Date',
  'Math', 'console', 'WebAssembly', 'URL', 'TextDecoder', 'TextEncoder', 'addEventListener', 'removeEventListener', 'process', 'require',
]

/** Compiles a module to a function of its page's globals and of its `import()`. */
function compiled(name, text) {
  const exported = /^export ?\{([^}]*)\};?$/m.exec(text)
  if (!exported) throw new Error(`${name}.js exports nothing`)
  const names = exported[1].split(',').map((one) => {
    const [local, known = local] = one.trim().split(' as ')
    return `${known}:${local}`
  })
  // The text after the exports is kept: it is the packed Wasm.
  const body = `${text.replace(exported[0], '').replace(/\bimport\(/g, '__import(')}\n;return {${names.join(',')}}`
  return compileFunction(body, [...GLOBALS, '__import'], { filename: `${name}.js` })
}

const loaded = new Map()

/** Loads the modules, with this sabotage applied. */
export async function load(sabotage = '') {
  let modules = loaded.get(sabotage)
  if (!modules) {
    modules = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, compiled(name, patched(sabotage, name, text))]))
    loaded.set(sabotage, modules)
  }
  return modules
}

/** Compiled when the first page uses it. */
let wasm
/** The exports of an unpacker (`npm/src/unpack.js`) that does nothing, because the Wasm is unpacked only once. */
const unpacked = { memory: { buffer: new ArrayBuffer(1 << 20), grow() {} }, run: () => 0, end: { value: 0 } }

/**
 * A page's WebAssembly. It compiles once for all pages, and synchronously, so that the machine's load has no influence.
 */
export const webAssembly = {
  async compile(bytes) {
    return (wasm ??= new WebAssembly.Module(bytes))
  },
  async instantiate(module, imports) {
    return new WebAssembly.Instance(module, imports)
  },
  Module: WebAssembly.Module,
  Instance: class {
    constructor(module) {
      if (!wasm) return new WebAssembly.Instance(module)
      this.exports = unpacked
    }
  },
}
