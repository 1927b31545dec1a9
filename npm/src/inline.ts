/**
 * `tidings` in one file, with the engine in it: for service workers, where `import()` is forbidden, and for pages of
 * one file. The rest is the same. Elsewhere `tidings` is better, because it loads the engine only when it is used.
 *
 * ```ts
 * import { Tidings } from 'tidings/inline'
 * ```
 *
 * @module
 */
export * from './index.ts'
