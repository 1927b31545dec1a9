/**
 * `tidings` without the Wasm inlined: for pages that would rather load `tidings/tidings.wasm` as a file of its own
 * (cached apart, compiled while it streams). The option `wasm` says where it is; everything else is the same.
 *
 * ```ts
 * import { Tidings } from 'tidings/slim'
 * import wasm from 'tidings/tidings.wasm?url' // Vite; other bundlers have their own way to a file's URL
 *
 * const tidings = new Tidings({ url: '/api/events', wasm })
 * ```
 *
 * @module
 */
export * from './index.ts'
