/**
 * The common code of the example apps' pages, so that each app contains only its own features.
 *
 * ```ts
 * import { client, shell } from 'examples-web'
 *
 * const tidings = client()
 * shell({ title: 'Notes', lead: 'Yours on every device.', tidings, mount: (root, user) => render(root, user) })
 * ```
 *
 * `client` makes the app's one client, `call` sends requests to the API, and `shell` is the frame around an app: login,
 * header, the connection's state, and a notice of a gap.
 *
 * @module
 */
export { ApiError, call, refusal, type CallOptions } from './call.ts'
export { client } from './client.ts'
export { attempt, notice } from './notice.ts'
export { shell, type App } from './shell.ts'
