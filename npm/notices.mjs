// The licences of third-party code in the package: the crates inside the Wasm, Rust's standard library, and the npm
// packages that esbuild has bundled.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const LICENCE = /^(licen[cs]e|copying|notice|unlicense)/i

/** The files of the licence that is chosen among those offered: MIT, if it is one of them. */
function licenceFiles(folder) {
  const files = readdirSync(folder).filter((name) => LICENCE.test(name))
  const mit = files.filter((name) => /mit/i.test(name))
  return (mit.length > 0 ? mit : files).map((name) => readFileSync(join(folder, name), 'utf8').trim())
}

const cargo = (...args) => execFileSync('cargo', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] })

/** The crates whose code is in the Wasm: the client's dependencies at run time on that target, without macros. */
function crates() {
  // The metadata name the folder of every crate, but not which crates the client needs.
  const needed = ['tree', '--locked', '--package=tidings-client', '--target=wasm32-unknown-unknown', '--edges=normal,no-proc-macro']
  const names = new Set(cargo(...needed, '--prefix=none', '--format={p}').split('\n').map((line) => line.split(' ').slice(0, 2).join(' ')))
  const { packages } = JSON.parse(cargo('metadata', '--format-version=1', '--locked', '--filter-platform=wasm32-unknown-unknown'))
  return packages
    .filter(({ name, version, source }) => source !== null && names.has(`${name} v${version}`))
    .map(({ name, version, license, manifest_path }) => ({ name, version, licence: license, texts: licenceFiles(dirname(manifest_path)) }))
}

/** The npm packages among files that esbuild has bundled, as its metafiles name them. */
function bundled(files) {
  const folders = new Set(files.flatMap((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []))
  return [...folders].map((folder) => {
    const path = join(import.meta.dirname, folder)
    const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
    return { name, version, licence: license, texts: licenceFiles(path) }
  })
}

const library = {
  name: "Rust's standard library",
  version: execFileSync('rustc', ['--version'], { cwd: root, encoding: 'utf8' }).split(' ')[1],
  licence: 'MIT OR Apache-2.0',
  texts: ['Copyright (c) The Rust Project Contributors'],
}

/** The text of all notices. `files`: the files that esbuild has bundled. */
export function notices(files) {
  const all = [...crates(), library, ...bundled(files)].sort((a, b) => a.name.localeCompare(b.name))
  for (const { name, texts } of all) if (texts.length === 0) throw new Error(`${name} has no file with its licence`)
  const mit = readFileSync(join(root, 'LICENSE-MIT'), 'utf8').replace(/^[\s\S]*?(?=Permission is)/, '')
  library.texts.push(mit.trim())
  const parts = all.map(({ name, version, licence, texts }) => [`${name} ${version} (${licence})`, ...texts].join('\n\n'))
  return `This package contains the work of others, under these licences.\n\n${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}
