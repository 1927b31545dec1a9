/**
 * The argument and result types of `fetch` where this package is compiled: a page (`lib.dom`), a worker
 * (`lib.webworker`), Node, Bun or Deno. Without a declaration of `fetch` they are `unknown` and still compile: no `lib`
 * is needed.
 */
type Fetch = typeof globalThis extends { fetch: infer F } ? F : (input: string, init?: object) => Promise<unknown>
type Arguments = Fetch extends (...given: infer A extends unknown[]) => unknown ? A : [input: string, init?: object]

/** The type of `fetch`'s first argument. */
export type FetchInput = Arguments[0]
/** The type of `fetch`'s second argument. */
export type FetchInit = NonNullable<Arguments[1]>
/** The type of `Request`, which `fetch` accepts and which can be constructed. */
export type FetchRequest = typeof globalThis extends { Request: { prototype: infer R } } ? R : unknown
/** The type of `fetch`'s result. */
export type FetchResponse = Fetch extends (...given: never[]) => Promise<infer R> ? R : unknown
