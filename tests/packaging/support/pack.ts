/** Packs the built package once for all tests: the tests use the tarball, as npm would publish it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './run.ts'

/** The folder in which apps are installed. */
export const workshop = process.env.TIDINGS_PACKAGING_DIR ?? join(root, 'target/packaging')
export const tarball = join(workshop, 'tidings.tgz')

export default async function pack(): Promise<void> {
  mkdirSync(workshop, { recursive: true })
  const said = await run(join(root, 'npm'), 'npm', 'pack', '--json', '--pack-destination', workshop)
  const [{ filename }] = JSON.parse(said) as [{ filename: string }]
  await run(workshop, 'mv', filename, tarball)
}
