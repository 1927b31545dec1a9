/** Debian's WebKit. */
import { Service } from '../../e2e/support/service.ts'
import { workshop } from './pack.ts'

/** Starts its driver with a virtual screen, which this WebKit needs. */
export const startWebKitDriver = (): Promise<Service> =>
  Service.start(workshop, 'xvfb-run', ['--auto-servernum', 'WebKitWebDriver', '--host=127.0.0.1', '--port=PORT'], { ready: '/status' })
