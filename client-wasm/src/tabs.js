// What the browser has for tabs that share a stream, as thin as it gets: its locks, and a channel. Who leads and who follows
// is the session's to decide.

// ---- the table: made from Rust's `codec` by its test
const LOCKED = 20
const HELD = 21
const LOST = 22
const GONE = 23
const TOLD = 24
const UNSHARED = 25
const BROKEN = 29
// ---- end of the table

/** Whether tabs can share here. Locks are for secure pages only. */
export const canShare = () => !!(globalThis.document && globalThis.navigator?.locks && globalThis.BroadcastChannel)

/** The other tabs, for the driver of this browser. It calls `call` as the browser does. */
export function among(browser, call, version, url, withCredentials) {
  const lockOf = (tab) => `tidings tab ${tab}`
  let stay

  const notify = (what, text = '') => {
    try {
      call(what, 0, performance.now(), text, undefined)
    } catch (cause) {
      call(BROKEN, 0, 0, '', cause)
    }
  }

  /** There are none of these here after all; what there was of them is given back. */
  const unshare = () => {
    tabs.exit()
    notify(UNSHARED)
  }

  /** Asks for a lock, to be held for as long as the tab stays; the end comes early if another tab steals it. */
  const ask = ({ name, signal, left }, options, otherwise) => {
    const granted = (lock) => {
      if (signal.aborted) return
      if (!lock) return otherwise()
      notify(LOCKED)
      return left
    }
    const failed = ({ name }) => signal.aborted || (name === 'AbortError' ? notify(LOST) : unshare())
    navigator.locks.request(name, options, granted).catch(failed)
  }

  const tabs = {
    /** Goes into a group and asks for its lock: at once, then in the queue. */
    enter(device, tab, user) {
      tabs.exit()
      const end = new AbortController()
      const queue = new AbortController()
      const { signal } = end
      const left = new Promise((resolve) => signal.addEventListener('abort', resolve))
      signal.addEventListener('abort', () => queue.abort())
      try {
        // Lock and channel belong to the origin alone, so the whole name may stand in theirs.
        const base = `tidings ${version} ${withCredentials} ${device} ${new URL(url, document.baseURI)}`
        const name = user === undefined ? base : `${base} ${user}`
        const channel = new BroadcastChannel(name)
        channel.onmessage = ({ data }) => {
          // Any script of the origin may post to it.
          if (signal.aborted || typeof data?.text !== 'string') return
          browser.frame = data.frame ?? {}
          notify(TOLD, data.text)
        }
        signal.addEventListener('abort', () => channel.close())
        stay = { name, channel, end, queue, signal, left, watched: new Set() }
        // By this one the others know that the tab is there, however it goes.
        navigator.locks.request(lockOf(tab), { signal }, () => left).catch(() => {})
        const here = stay
        ask(here, { ifAvailable: true }, () => {
          notify(HELD)
          if (!signal.aborted) ask(here, { signal: queue.signal })
        })
      } catch {
        queueMicrotask(unshare)
      }
    },

    exit() {
      stay?.end.abort()
      stay = undefined
    },

    end: () => tabs.exit(),

    steal() {
      stay?.queue.abort()
      if (stay) ask(stay, { steal: true })
    },

    /** Tells when a tab is gone. */
    watch(tab) {
      const { watched, signal } = stay ?? {}
      if (!watched || watched.has(tab)) return
      watched.add(tab)
      const gone = () => {
        watched.delete(tab)
        if (!signal.aborted) notify(GONE, tab)
      }
      navigator.locks.request(lockOf(tab), { signal }, gone).catch(() => {})
    },

    /** Posts a message, and with it the frame that is being read. */
    post(text, withFrame) {
      stay?.channel.postMessage(withFrame ? { text, frame: browser.frame } : { text })
    },
  }
  return tabs
}
