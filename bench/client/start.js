// What the first `connect()` of a page takes: to unpack the Wasm, have the browser compile it, and make an engine of it.
import { Tidings } from '/tidings.js'

/** In milliseconds: all of it, and of that what the browser took to compile and to instantiate. */
globalThis.start = () => {
  const took = {}
  for (const name of ['Module', 'Instance']) {
    WebAssembly[name] = new Proxy(WebAssembly[name], {
      construct(made, given) {
        const from = performance.now()
        const one = new made(...given)
        took[name] = performance.now() - from
        return one
      },
    })
  }
  const client = new Tidings({ url: '/events' })
  const from = performance.now()
  client.connect()
  const all = performance.now() - from
  // Before the end of the microtask: no stream is opened.
  client.disconnect()
  return { all, compiling: took.Module, instantiating: took.Instance, rest: all - took.Module - took.Instance }
}
