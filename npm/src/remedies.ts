/** The remedy for each failure, for the development build; `docs/errors.md` has the remedies for every other build. */
const REMEDIES = `wasmBlocked|allow 'wasm-unsafe-eval' in the page's script-src
wasmFailed|report the error, with its \`cause\`; connect() tries again
chunkFailed|nothing while the client retries; else serve the package's chunk, and allow it in script-src
unsupported|in a page nothing: this browser is too old; on a server call connect(), if the server is to receive events
malformedChannel|pass ids through segment()
malformedId malformedUrl|correct the option
alreadyConfigured|call configureTidings() before the first getTidings()
noOfflineQueue|call queueOffline(tidings) of tidings/offline where the app starts
presenceOff|build the server's hub with presence
handlerError|correct the handler: see \`cause\`
stopped|nothing: your code stopped the subscription before the server confirmed it
tokenFailed|correct the option \`token\`: see \`detail\`
network|nothing while the client retries; else check the option \`url\`, and proxies
cors originNotAllowed|list this page's origin in the server's Routes::cors
silent|nothing; if it happens often, configure the proxy not to buffer
buffered|configure the proxy not to buffer
unavailable full overloaded requestTimeout unknown serverError|nothing: the client retries
credentialsMissing credentialsRevoked unauthorized expired revoked|log in again, then call connect()
credentialsExpired credentialsNotYetValid|return a fresh token; compare the clocks
credentialsMalformed credentialsInvalid credentialsUnknownKey credentialsWrongAudience credentialsWrongIssuer|compare the token with the keys, audience and issuer of the server's Jwt
unsupportedProtocol|install the version of the package that fits the server's crate: both 0.1
forbidden|grant the channel in the server's Auth
tooManyChannels|subscribe to a pattern instead
tooManyConnections tooManyRequests|use one client for the page, or raise the server's limit
urlTooLong headersTooLarge|shorten cookies and \`url\`, or raise the server's limit
malformed malformedCursor malformedFrame tooMany tooLarge unsupportedMediaType methodNotAllowed unknownConnection unexpected|look at what a proxy changes in the request
replaced|call connect(), if the user wants to continue here
notFound|set the option \`url\` to the path at which the server mounts its routes
internal|report the error, with its \`cause\``

let remedies: Map<string, string> | undefined

/** The remedy for a code. */
export function remedyOf(code: string): string | undefined {
  remedies ??= new Map(
    REMEDIES.split('\n').flatMap((line) => {
      const [codes = '', remedy = ''] = line.split('|')
      return codes.split(' ').map((one): [string, string] => [one, remedy])
    }),
  )
  return remedies.get(code)
}
