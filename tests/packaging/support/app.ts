/**
 * A fixture app: its folder is copied below `target/`, its pinned dependencies are installed, and the tarball is
 * unpacked among them.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tarball, workshop } from './pack.ts'
import { run, runWith } from './run.ts'
import { Service } from '../../e2e/support/service.ts'

const fixtures = join(import.meta.dirname, '..')

export class App {
  private constructor(
    readonly folder: string,
    /** The hub's URL, which an app's own proxy forwards to. */
    private readonly hub: string,
  ) {}

  static async install(name: string, hub: string): Promise<App> {
    const folder = join(workshop, name)
    mkdirSync(folder, { recursive: true })
    // Everything except installed packages is removed, so that no build of another package remains.
    for (const entry of readdirSync(folder)) if (entry !== 'node_modules') rmSync(join(folder, entry), { recursive: true })
    cpSync(join(fixtures, name), folder, { recursive: true, filter: (path) => !path.endsWith('/node_modules') })
    await installPinned(folder)

    const installed = join(folder, 'node_modules/tidings')
    for (const stale of [installed, join(folder, 'node_modules/.vite'), join(folder, 'node_modules/.cache')]) {
      rmSync(stale, { recursive: true, force: true })
    }
    mkdirSync(installed, { recursive: true })
    await run(folder, 'tar', 'xzf', tarball, '--strip-components=1', '-C', installed)
    // Some tools read the dependencies that an app declares.
    const file = join(folder, 'package.json')
    const manifest = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { private: true, type: 'module' }
    manifest.dependencies = { ...manifest.dependencies, tidings: JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')).version }
    writeFileSync(file, JSON.stringify(manifest))
    return new App(folder, hub)
  }

  path(relative: string): string {
    return join(this.folder, relative)
  }

  /** The installed version of a package. */
  version(name: string): string {
    const { version } = JSON.parse(readFileSync(this.path(`node_modules/${name}/package.json`), 'utf8')) as { version: string }
    return `${name} ${version}`
  }

  /** Runs one of the app's programs to its end. */
  async run(program: string, ...args: string[]): Promise<void> {
    await runWith({ HUB: this.hub }, this.folder, this.#program(program), ...args)
  }

  /** Starts one of the app's servers. Resolves when it answers. `PORT` in an argument stands for its port. */
  async serve(program: string, ...args: string[]): Promise<Service> {
    return Service.start(this.folder, this.#program(program), args, { env: { HUB: this.hub } })
  }

  #program(name: string): string {
    return name === 'node' ? process.execPath : this.path(`node_modules/.bin/${name}`)
  }
}

/**
 * Installs the versions in the lock file, unless they are installed. (`npm ci` would refuse a lock file without the
 * optional files of other platforms.)
 */
async function installPinned(folder: string): Promise<void> {
  const lock = join(folder, 'package-lock.json')
  if (!existsSync(lock)) return
  const stamp = join(folder, 'node_modules/.tidings-lock')
  const wanted = readFileSync(lock, 'utf8')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  await run(folder, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline')
  writeFileSync(stamp, wanted)
}
