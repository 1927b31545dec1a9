/**
 * `tidings` in one file, with the engine in it: for service workers, where `import()` is forbidden, and for pages of one file.
 * Everything else is the same; elsewhere `tidings` is better, which loads the engine when it is used.
 *
 * ```ts
 * import { Tidings } from 'tidings/inline'
 * ```
 *
 * @module
 */
export * from './index.ts'
