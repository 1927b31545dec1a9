/** What to do about each failure, for the development build; `docs/errors.md` says it for every other. */
const REMEDIES = `wasmBlocked|allow 'wasm-unsafe-eval' in the page's script-src
wasmFailed|report it, with \`cause\`; connect() tries again
chunkFailed|nothing while it is tried again; else serve the package's chunk, and allow it in script-src
unsupported|in a page nothing: this browser is too old; on a server call connect(), if it is to listen there
malformedChannel|bring foreign ids in by segment()
malformedId malformedUrl|correct the option
alreadyConfigured|call configureTidings() before the first getTidings()
noOfflineQueue|call queueOffline(tidings) of tidings/offline where the app starts
presenceOff|build the server's hub with presence
handlerError|repair the handler: see \`cause\`
stopped|nothing: it was stopped before it was confirmed
tokenFailed|repair the option \`token\`
network|nothing while it is tried again; else check the option \`url\`, and proxies
cors originNotAllowed|list this page's origin in the server's Routes::cors
silent|nothing; if it comes back often, tell the proxy not to buffer
buffered|tell the proxy not to buffer
unavailable full overloaded requestTimeout unknown serverError|nothing: it is tried again
credentialsMissing credentialsRevoked unauthorized expired revoked|log in again, then connect()
credentialsExpired credentialsNotYetValid|give a fresh token; compare the clocks
credentialsMalformed credentialsInvalid credentialsUnknownKey credentialsWrongAudience credentialsWrongIssuer|compare the token with the keys, audience and issuer of the server's Jwt
unsupportedProtocol|install the version of the package that fits the server's crate: both 0.1
forbidden|grant it in the server's Auth
tooManyChannels|subscribe to a pattern instead
tooManyConnections tooManyRequests|use one client for the page, or raise the server's limit
urlTooLong headersTooLarge|shorten cookies and \`url\`, or raise the server's limit
malformed malformedCursor malformedFrame tooMany tooLarge unsupportedMediaType methodNotAllowed unknownConnection unexpected|see what a proxy does to it
replaced|connect(), if the user wants it here
notFound|let the option \`url\` be where the server mounts its routes
internal|report it, with \`cause\``

let remedies: Map<string, string> | undefined

/** What to do about a code. */
export function remedyOf(code: string): string | undefined {
  remedies ??= new Map(
    REMEDIES.split('\n').flatMap((line) => {
      const [codes = '', remedy = ''] = line.split('|')
      return codes.split(' ').map((one): [string, string] => [one, remedy])
    }),
  )
  return remedies.get(code)
}
