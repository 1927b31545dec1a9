/** The client's errors, each with its remedy. Apart from `errors`, for the bindings bring along none of these words. */
import { TidingsError, type TidingsErrorCode, type TidingsErrorDetails } from './errors.ts'
import { present } from './present.ts'

/** Codes, and what to do about them. The README says more. */
const REMEDIES = `wasmBlocked|allow 'wasm-unsafe-eval' in the page's script-src
wasmFailed|let the option \`wasm\` lead to the tidings.wasm of this version, then connect()
unsupported|subscribe in the browser only
malformedChannel|bring foreign ids in by segment()
malformedId malformedUrl|correct the option
presenceOff|build the server's hub with presence
handlerError|repair the handler: see \`cause\`
stopped|nothing: it was stopped before it was confirmed
tokenFailed|repair the option \`token\`
network|nothing while it is tried again; else check the option \`url\`, and proxies
cors originNotAllowed|list this page's origin in the server's Routes::cors
silent|nothing; if it comes back often, tell the proxy not to buffer
unavailable full requestTimeout unknown|nothing: it is tried again
credentialsMissing credentialsRevoked unauthorized expired revoked|log in again, then connect()
credentialsExpired credentialsNotYetValid|give a fresh token; compare the clocks
credentialsMalformed credentialsInvalid credentialsUnknownKey credentialsWrongAudience credentialsWrongIssuer|compare the token with the keys, audience and issuer of the server's Jwt
forbidden|grant it in the server's Auth
tooManyChannels|subscribe to a pattern instead
tooManyConnections tooManyRequests|use one client for the page, or raise the server's limit
urlTooLong headersTooLarge|shorten cookies and \`url\`, or raise the server's limit
malformed malformedCursor malformedFrame tooMany tooLarge unsupportedMediaType methodNotAllowed unknownConnection unexpected|see what a proxy does to it
replaced|connect(), if the user wants it here
notFound|let the option \`url\` be where the server mounts its routes
internal|report it, with \`cause\``

let remedies: Map<string, string> | undefined

function remedyOf(code: string): string | undefined {
  remedies ??= new Map(
    REMEDIES.split('\n').flatMap((line) => {
      const [codes = '', remedy = ''] = line.split('|')
      return codes.split(' ').map((one): [string, string] => [one, remedy])
    }),
  )
  return remedies.get(code)
}

/** An error of the client's. */
export function failure(code: TidingsErrorCode, details: TidingsErrorDetails = {}): TidingsError {
  return new TidingsError(code, { ...present({ remedy: remedyOf(code) }), ...details })
}

/** What the engine throws is an `Error` with a `code`. */
export function asError(cause: unknown, channel?: string): TidingsError {
  if (cause instanceof TidingsError) return cause
  const { code = 'internal', message: detail } = cause as { code?: string; message?: string }
  return failure(code, { ...present({ detail, channel }), cause })
}
