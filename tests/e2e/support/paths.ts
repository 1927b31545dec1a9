/** The paths of the things under test: those that `cargo xtask test` passes, or else those of `cargo xtask build`. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '../../..')

export const hubProgram = (): string => built(process.env.TIDINGS_HUB_BIN ?? join(root, 'target/release/hub'))
export const appsProgram = (): string => built(process.env.TIDINGS_APPS_BIN ?? join(root, 'target/release/apps'))
export const clusterProgram = (): string =>
  built(process.env.TIDINGS_CLUSTER_BIN ?? join(root, 'target/release/cluster'))
export const examples = (): string => built(process.env.TIDINGS_EXAMPLES ?? join(root, 'examples'))
export const chrome = (): string => process.env.CHROME_BIN ?? '/usr/bin/chromium'
export const chromedriver = (): string => process.env.CHROMEDRIVER ?? 'chromedriver'
export const firefox = (): string => process.env.FIREFOX_BIN ?? '/usr/bin/firefox-esr'
export const geckodriver = (): string => process.env.GECKODRIVER ?? 'geckodriver'

/** The package's files as npm would install them. */
export const packageFiles = (): string =>
  built(join(dirname(createRequire(import.meta.url).resolve('tidings/package.json')), 'dist'))

function built(path: string): string {
  if (!existsSync(path)) throw new Error(`${path} is missing: run \`cargo xtask build\` at the root of the repository`)
  return path
}
