/** Loads the engine, which is a chunk of its own. */
import { failure } from './failures.ts'

export type Chunk = typeof import('./engine.ts')

/**
 * Whether a script that could not be loaded is requested again under another URL; not where it is loaded with
 * `require`. Set by the build.
 */
declare const RETRIES: boolean

let loading: Promise<Chunk> | undefined
/** The URL of the script that could not be loaded, and how many times it failed. */
let url: string | undefined
let failures = 0

/** Resolves when the engine is loaded. Rejects with a {@link TidingsError} `chunkFailed`; the next call tries again. */
export function loadChunk(): Promise<Chunk> {
  return (loading ??= bring().catch((cause: unknown) => {
    loading = undefined
    failures++
    // The error of Chromium and Firefox names the script. A browser that caches the failure (Firefox does) would never
    // request the same URL again.
    url ??= /https?:\/\/[^\s'"]+/.exec(String(cause))?.[0]
    throw failure('chunkFailed', { detail: String(cause), cause })
  }))
}

const bring = (): Promise<Chunk> =>
  RETRIES && url
    ? (import(/* webpackIgnore: true */ /* @vite-ignore */ `${url}${url.includes('?') ? '&' : '?'}again=${failures}`) as Promise<Chunk>)
    : import('./engine.ts')
