/**
 * nginx as a distribution configures it, before a hub: it buffers and compresses every response that does not forbid
 * it.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { workshop } from './pack.ts'
import { freePort, Service } from '../../e2e/support/service.ts'

const program = process.env.NGINX_BIN ?? 'nginx'

/** Its version, which it prints to its standard error. */
export function nginxVersion(): string {
  const { stderr } = spawnSync(program, ['-v'], { encoding: 'utf8' })
  return stderr.replace(/^.*nginx\//s, 'nginx ').trim()
}

/** Serves a folder, and forwards paths below `/api/`. */
export async function startNginx(files: string, hub: string): Promise<Service> {
  const folder = join(workshop, 'nginx')
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;
    master_process off;
    pid ${folder}/nginx.pid;
    error_log stderr;
    events {}
    http {
      types { text/html html; text/javascript js; application/wasm wasm; }
      access_log off;
      ${paths.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n')}
      gzip on;
      gzip_min_length 0;
      gzip_proxied any;
      gzip_types *;
      server {
        listen 127.0.0.1:${port};
        root ${files};
        location /api/ { proxy_pass ${hub}; }
      }
    }`,
  )
  return Service.start(folder, program, ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'], { port })
}
