/** Proxies before a hub, each configured as docs/proxies.md says. */
import { spawnSync } from 'node:child_process'
import { accessSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { freePort, Service } from '../../e2e/support/service.ts'
import { workshop } from './pack.ts'
import { root } from './run.ts'

/** The folder into which `xtask` has unpacked Debian's packages of them. */
const unpacked = process.env.TIDINGS_PROXIES_DIR ?? '/nowhere'
const libraries = join(unpacked, 'usr/lib/x86_64-linux-gnu')
export const ready = '/api/events/check?user=ana'

/** The program of a proxy; `undefined` if this machine has none. */
export function find(name: string): string | undefined {
  if (name === 'nginx' && process.env.NGINX_BIN) return process.env.NGINX_BIN
  const folders = ['usr/sbin', 'usr/bin'].map((folder) => join(unpacked, folder))
  const all = [...folders, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  return all.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

const env = { LD_LIBRARY_PATH: libraries }

/** The version that a program prints. */
export function versionOf(program: string, option: string): string {
  const { stdout, stderr } = spawnSync(program, [option], { encoding: 'utf8', env: { ...process.env, ...env } })
  return /\d+\.\d+\.\d+/.exec(stdout + stderr)?.[0] ?? 'unknown'
}

/** The configuration in docs/proxies.md, for this hub. `after` is a heading, or a comment in the code's first line. */
export function advice(after: string, hub: string, port = '8080'): string {
  const page = readFileSync(join(root, 'docs/proxies.md'), 'utf8')
  const fences = [...page.matchAll(/^```\w+\n([\s\S]*?)^```/gm)]
  const heading = page.indexOf(`\n## ${after}\n`)
  const code = fences.find(({ index, 1: code }) => code!.startsWith(`// ${after}\n`) || (heading >= 0 && index > heading))?.[1]
  if (!code) throw new Error(`docs/proxies.md has no configuration below "${after}"`)
  const { hostname, port: hubPort } = new URL(hub)
  return code.replaceAll('127.0.0.1:4000', `${hostname}:${hubPort}`).replaceAll('"4000"', `"${hubPort}"`).replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
}

function folderOf(name: string): string {
  const folder = join(workshop, 'proxies', name)
  mkdirSync(folder, { recursive: true })
  return folder
}

async function start(name: string, program: string, configuration: (port: string, folder: string) => string, args: (file: string, port: string, folder: string) => string[]): Promise<Service> {
  const folder = folderOf(name)
  const port = await freePort()
  const file = join(folder, 'configuration')
  writeFileSync(file, configuration(port, folder))
  accessSync(program)
  return Service.start(folder, program, args(file, port, folder), { port, ready, env })
}

/** nginx as a distribution configures it: it buffers and compresses every response that does not forbid it. */
export const nginx = (program: string, hub: string): Promise<Service> =>
  start(
    'nginx',
    program,
    (port, folder) => `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr; events {}
      http {
        access_log off;
        ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((path) => `${path}_temp_path ${folder}/${path};`).join(' ')}
        gzip on; gzip_min_length 0; gzip_proxied any; gzip_types *;
        server { listen 127.0.0.1:${port}; ${advice('nginx', hub)} }
      }`,
    (file, _, folder) => ['-p', folder, '-c', file, '-e', 'stderr'],
  )

export const haproxy = (program: string, hub: string): Promise<Service> =>
  start('haproxy', program, (port) => advice('HAProxy', hub, port), (file) => ['-db', '-f', file])

export const apache = (program: string, hub: string): Promise<Service> =>
  start(
    'apache',
    program,
    (port, folder) => `ServerName localhost
      Listen 127.0.0.1:${port}
      PidFile ${folder}/apache.pid
      ErrorLog ${folder}/error.log
      Mutex file:${folder}
      DefaultRuntimeDir ${folder}
      ${['mpm_event', 'authz_core', 'proxy', 'proxy_http'].map((name) => `LoadModule ${name}_module ${modules()}/mod_${name}.so`).join('\n')}
      ${process.getuid?.() === 0 ? 'User nobody\n      Group nogroup' : ''}
      ${advice('Apache', hub)}`,
    (file) => ['-DFOREGROUND', '-f', file],
  )

function modules(): string {
  return [join(unpacked, 'usr/lib/apache2/modules'), '/usr/lib/apache2/modules'].find((folder) => existsSync(folder)) ?? ''
}

export const varnish = (program: string, hub: string): Promise<Service> =>
  start('varnish', program, () => advice('Varnish', hub), (file, port, folder) => [
    ...['-F', '-j', 'none', '-n', folder, '-a', `127.0.0.1:${port}`, '-f', file, '-s', 'malloc,32m'],
  ])

export const caddy = (program: string, hub: string): Promise<Service> =>
  start(
    'caddy',
    program,
    (port) => `{
        admin off
        auto_https off
      }
      http://127.0.0.1:${port} {
        encode gzip
        ${advice('Caddy', hub)}
      }`,
    (file) => ['run', '--adapter', 'caddyfile', '--config', file],
  )
