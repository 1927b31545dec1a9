// The types under several compilers, from the oldest supported one on: Node's module system, strict, with no library
// but the language's, and with our declarations checked too.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from './support/fixtures.ts'
import { run } from './support/run.ts'

const { devDependencies } = JSON.parse(readFileSync(join(import.meta.dirname, 'typescript/package.json'), 'utf8')) as {
  devDependencies: Record<string, string>
}

for (const name of Object.keys(devDependencies)) {
  test(`TypeScript ${name.replace('typescript-', '')}`, async ({ app, note }) => {
    const { folder, path, version } = await app('typescript').then((app) => ({ folder: app.folder, path: app.path.bind(app), version: app.version(name) }))
    note('with', version.replace(/^\S+/, 'typescript'))
    const files = ['types.mts', 'types.cts']
    for (const file of files) copyFileSync(path('types.ts'), path(file))
    const compilerOptions = { module: 'node16', target: 'es2022', lib: ['es2022'], types: [], strict: true, exactOptionalPropertyTypes: true, noEmit: true }
    writeFileSync(path('tsconfig.json'), JSON.stringify({ compilerOptions, files }))
    const tsc = path(`node_modules/${name}/bin/tsc`)
    await run(folder, process.execPath, tsc, '-p', '.')
    // This shows that the types are used: without the expected-error comments there is an error.
    const wrong = readFileSync(path('types.ts'), 'utf8').replaceAll(/.*@ts-expect-error.*\n/g, '')
    for (const file of files) writeFileSync(path(file), wrong)
    await expect(run(folder, process.execPath, tsc, '-p', '.')).rejects.toThrow(/types\.mts.*TS2345[\s\S]*types\.mts.*TS2322/)
  })
}
