// The callbacks of an application in JavaScript. They stay on this side of the boundary, where an error that one throws
// is caught and reported, and a removed one is not called any more.

/** The callbacks of one client. */
export function listeners({ onState, onGap, onError, onDebug }) {
  /** The handlers by number: `{handler, settled, gap}`. */
  const handlers = new Map()
  /**
   * The callbacks of handlers that have not been confirmed or refused. They outlive their handlers, because
   * unsubscribing is an answer, too.
   */
  const unsettled = new Map()

  const error = (report) => {
    if (onError) {
      try {
        return onError(report)
      } catch (thrown) {
        return console.error(thrown)
      }
    }
    if ('cause' in report) console.error(report.cause)
  }
  const guard = (callback, ...given) => {
    try {
      callback?.(...given)
    } catch (cause) {
      error({ code: 'handlerError', willRetry: false, cause })
    }
  }

  const event = (id, record) => {
    try {
      handlers.get(id)?.handler(record)
    } catch (cause) {
      error({ code: 'handlerError', willRetry: false, cause })
    }
  }

  return {
    add(id, handler, settled, gap) {
      handlers.set(id, { handler, settled, gap })
      unsettled.set(id, settled)
    },
    remove: (id) => handlers.delete(id),

    event,
    eventOf: (id, list, index) => event(id, list[index]),
    settled(id, code, cursor) {
      const settled = unsettled.get(id) ?? handlers.get(id)?.settled
      unsettled.delete(id)
      guard(settled, code, cursor)
    },
    /** Reports a gap: without a number, to the client's own callback. */
    gap(id, lines, reason, addressed) {
      const callback = id === undefined ? onGap : handlers.get(id)?.gap
      guard(callback, lines === undefined ? null : lines.split('\n').slice(0, -1), reason, addressed)
    },
    state: (...status) => guard(onState, ...status),
    debug: (...said) => guard(onDebug, ...said),
    /** An error was thrown where our code has no caller: passes it on to the code that gives this client up. */
    broken(cause) {
      throw cause
    },
    error(code, willRetry, status, detail, channel, cause) {
      const report = { code, willRetry }
      if (status) report.status = status
      if (detail !== undefined) report.detail = detail
      if (channel !== undefined) report.channel = channel
      if (cause !== undefined) report.cause = cause
      error(report)
    },
  }
}

/** Makes an `Error` with a `code`. */
const codedError = (code, message) => Object.assign(new Error(message), { code })

/** Checks the options, and returns an error if one is not valid. */
export function check({ url, deviceId, sessionId }) {
  if (!url) return codedError('malformedUrl', 'the option `url` is empty')
  try {
    // Without a page, only the syntax is checked.
    const { protocol } = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href ?? 'http://localhost')
    if (!/^https?:$/.test(protocol)) return codedError('malformedUrl', `the option \`url\` leads to ${protocol}, and not to a server`)
  } catch {
    return codedError('malformedUrl', `the option \`url\` is no URL: ${url}`)
  }
  for (const id of [deviceId, sessionId]) {
    if (!/^[!-~]{1,128}$/.test(id ?? '')) {
      return codedError('malformedId', 'a device or session id is 1 to 128 visible ASCII characters')
    }
  }
}

export const malformedChannel = () =>
  codedError(
    'malformedChannel',
    'a channel has 1 to 8 segments of A-Z a-z 0-9 _ . @ ~ % - joined by `:`, at most 200 bytes; `*` only as the last one',
  )
