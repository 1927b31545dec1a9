// The browser's means for tabs that share a stream, as thin as possible: its locks, and a channel. The core decides
// which tab leads and which ones follow.

// ---- the table: made from Rust's `codec` by its test
const LOCKED = 20
const HELD = 21
const LOST = 22
const GONE = 23
const TOLD = 24
const UNSHARED = 25
const BROKEN = 29
// ---- end of the table

/** Whether tabs can share a stream here. Locks exist on secure pages only. */
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

  /** Ends sharing where locks or channels turn out to be missing, and releases those that were obtained. */
  const unshare = () => {
    tabs.exit()
    notify(UNSHARED)
  }

  /** Requests a lock, to be held for as long as the tab stays; the lock is lost early if another tab steals it. */
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
    /** Enters a group and requests its lock: at once, then in the queue. */
    enter(device, tab, user) {
      tabs.exit()
      const end = new AbortController()
      const queue = new AbortController()
      const { signal } = end
      const left = new Promise((resolve) => signal.addEventListener('abort', resolve))
      signal.addEventListener('abort', () => queue.abort())
      try {
        // Locks and channels belong to the origin alone, so the whole name may be part of theirs.
        const base = `tidings ${version} ${withCredentials} ${device} ${new URL(url, document.baseURI)}`
        const name = user === undefined ? base : `${base} ${user}`
        const channel = new BroadcastChannel(name)
        channel.onmessage = ({ data }) => {
          // Any script of the origin may post to the channel.
          if (signal.aborted || typeof data?.text !== 'string') return
          browser.frame = data.frame ?? {}
          notify(TOLD, data.text)
        }
        signal.addEventListener('abort', () => channel.close())
        stay = { name, channel, end, queue, signal, left, watched: new Set() }
        // This lock shows the others that the tab exists, however it ends.
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

    /** Reports when a tab is gone. */
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

    /** Posts a message, with the frame that is being read if requested. */
    post(text, withFrame) {
      stay?.channel.postMessage(withFrame ? { text, frame: browser.frame } : { text })
    },
  }
  return tabs
}
