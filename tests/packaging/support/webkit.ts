/** Debian's WebKit. */
import { Service } from '../../e2e/support/service.ts'
import { workshop } from './pack.ts'

/** Starts its driver, with a screen that nobody sees: this WebKit needs one. */
export const startWebKitDriver = (): Promise<Service> =>
  Service.start(workshop, 'xvfb-run', ['--auto-servernum', 'WebKitWebDriver', '--host=127.0.0.1', '--port=PORT'], { ready: '/status' })
