/** Loads the engine, a chunk of its own. */
import { failure } from './failures.ts'

export type Chunk = typeof import('./engine.ts')

/** Whether a script that could not be loaded is asked for under another URL. Not where it is `require`d. By the build. */
declare const RETRIES: boolean

let loading: Promise<Chunk> | undefined
/** Where it was looked for in vain, and how often. */
let url: string | undefined
let failures = 0

/** Resolves when it is there. Rejects with a {@link TidingsError} `chunkFailed`; the next call tries again. */
export function loadChunk(): Promise<Chunk> {
  return (loading ??= bring().catch((cause: unknown) => {
    loading = undefined
    failures++
    // Chromium and Firefox say which script it was; and a browser that keeps the failure (Firefox does) would never ask for it again.
    url ??= /https?:\/\/[^\s'"]+/.exec(String(cause))?.[0]
    throw failure('chunkFailed', { detail: String(cause), cause })
  }))
}

const bring = (): Promise<Chunk> =>
  RETRIES && url
    ? (import(/* webpackIgnore: true */ /* @vite-ignore */ `${url}${url.includes('?') ? '&' : '?'}again=${failures}`) as Promise<Chunk>)
    : import('./engine.ts')
