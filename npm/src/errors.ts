/** The codes of the server's refusals (problem documents, rejected channels, and reasons for ending a stream). */
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
 * What went wrong, for programs; the package's README names the remedy for each code. A refusal by the server carries
 * the server's own `code`, and a newer server may have further codes, so the list is open.
 */
export type TidingsErrorCode =
  // Codes of this page itself.
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
  // Codes of the connection.
  | 'tokenFailed'
  | 'network'
  | 'cors'
  | 'silent'
  | 'buffered'
  | 'malformedFrame'
  // Codes of a refusal without a code of its own, for example a proxy's.
  | 'unauthorized'
  | 'unexpected'
  | 'presenceOff'
  | (typeof SERVER_CODES)[number]
  | (string & {})

/** The details of a {@link TidingsError} beside its code. */
export interface TidingsErrorDetails {
  /** The HTTP status of the server's answer; absent without an answer. */
  status?: number
  /** What happened, in one sentence for a developer. Not for programs: the text may change. */
  detail?: string
  /** The remedy, in a few words for a developer. */
  remedy?: string
  /** Whether the client retries by itself. */
  willRetry?: boolean
  /** The one channel that the error concerns. */
  channel?: string
  /** The cause of the error. */
  cause?: unknown
}

/** Every failure that the package reports, whether thrown, rejected or given to `onError`. */
export class TidingsError extends Error {
  /**
   * Makes `instanceof` work for all instances, though each entry of the package (`tidings/react`, `tidings/inline`, …)
   * contains its own class.
   */
  static override [Symbol.hasInstance](value: unknown): value is TidingsError {
    return value instanceof Error && value.name === 'TidingsError'
  }

  override readonly name = 'TidingsError'
  /** What went wrong, for programs. */
  readonly code: TidingsErrorCode
  /** The HTTP status of the server's answer; absent without an answer. */
  readonly status?: number
  /** What happened, in one sentence for a developer. */
  readonly detail?: string
  /** The remedy, in a few words for a developer. */
  readonly remedy?: string
  /** Whether the client retries by itself. */
  readonly willRetry?: boolean
  /** The one channel that the error concerns; absent when it concerns the connection. */
  readonly channel?: string

  /** Called by the package; an application only reads the error. */
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
