/** The codes of the server's refusals (problem documents, rejected channels, and why it ends a stream). */
export const SERVER_CODES = [
  'malformed',
  'malformedChannel',
  'malformedCursor',
  'tooMany',
  'unsupportedProtocol',
  'credentialsMissing',
  'credentialsMalformed',
  'credentialsInvalid',
  'credentialsExpired',
  'credentialsRevoked',
  'credentialsNotYetValid',
  'credentialsWrongAudience',
  'credentialsWrongIssuer',
  'credentialsUnknownKey',
  'forbidden',
  'originNotAllowed',
  'unknownConnection',
  'notFound',
  'methodNotAllowed',
  'requestTimeout',
  'tooLarge',
  'urlTooLong',
  'unsupportedMediaType',
  'tooManyConnections',
  'tooManyRequests',
  'headersTooLarge',
  'serverError',
  'full',
  'overloaded',
  'unavailable',
  'unknown',
  'tooManyChannels',
  'expired',
  'revoked',
  'replaced',
] as const

/**
 * What went wrong, for programs; the package's README tells the remedy of each. A refusal by the server carries the
 * server's own `code`, and a newer server may have more of them, so the list is open.
 */
export type TidingsErrorCode =
  // This page's own.
  | 'wasmBlocked'
  | 'wasmFailed'
  | 'chunkFailed'
  | 'unsupported'
  | 'malformedId'
  | 'malformedUrl'
  | 'alreadyConfigured'
  | 'noProvider'
  | 'handlerError'
  | 'stopped'
  | 'noOfflineQueue'
  | 'userUnknown'
  | 'internal'
  // The connection's.
  | 'tokenFailed'
  | 'network'
  | 'cors'
  | 'silent'
  | 'buffered'
  | 'malformedFrame'
  // A refusal without a code of its own: a proxy's.
  | 'unauthorized'
  | 'unexpected'
  | 'presenceOff'
  | (typeof SERVER_CODES)[number]
  | (string & {})

/** What a {@link TidingsError} says beside its code. */
export interface TidingsErrorDetails {
  /** The HTTP status of the server's answer, where there was one. */
  status?: number
  /** What happened, in one sentence for a developer. Not for programs: it may change. */
  detail?: string
  /** What to do about it, in a few words for a developer. */
  remedy?: string
  /** Whether the client tries again by itself. */
  willRetry?: boolean
  /** The one channel that it is about. */
  channel?: string
  /** What it was caused by. */
  cause?: unknown
}

/** Every failure that the package reports, whether thrown, rejected or given to `onError`. */
export class TidingsError extends Error {
  /** One class to `instanceof`, though each entry of the package (`tidings/react`, `tidings/inline`, …) brings its own. */
  static override [Symbol.hasInstance](value: unknown): value is TidingsError {
    return value instanceof Error && value.name === 'TidingsError'
  }

  override readonly name = 'TidingsError'
  /** What went wrong, for programs. */
  readonly code: TidingsErrorCode
  /** The HTTP status of the server's answer, where there was one. */
  readonly status?: number
  /** What happened, in one sentence for a developer. */
  readonly detail?: string
  /** What to do about it, in a few words for a developer. */
  readonly remedy?: string
  /** Whether the client tries again by itself. */
  readonly willRetry?: boolean
  /** The one channel that it is about; absent when it is about the connection. */
  readonly channel?: string

  /** Made by the package; an application only reads it. */
  constructor(code: TidingsErrorCode, { status, detail, remedy, willRetry, channel, cause }: TidingsErrorDetails = {}) {
    super(`${code}${detail ? `: ${detail}` : ''}${remedy ? ` (${remedy})` : ''}`, cause === undefined ? undefined : { cause })
    this.code = code
    if (status !== undefined) this.status = status
    if (detail !== undefined) this.detail = detail
    if (remedy !== undefined) this.remedy = remedy
    if (willRetry !== undefined) this.willRetry = willRetry
    if (channel !== undefined) this.channel = channel
  }
}
