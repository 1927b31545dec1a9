/**
 * What `fetch` takes and gives where these types are compiled: a page (`lib.dom`), a worker (`lib.webworker`), Node, Bun or Deno. Where
 * nothing declares it they are `unknown`, and compile all the same: no `lib` is needed.
 */
type Fetch = typeof globalThis extends { fetch: infer F } ? F : (input: string, init?: object) => Promise<unknown>
type Arguments = Fetch extends (...given: infer A extends unknown[]) => unknown ? A : [input: string, init?: object]

/** What `fetch` takes first. */
export type FetchInput = Arguments[0]
/** What `fetch` takes beside that. */
export type FetchInit = NonNullable<Arguments[1]>
/** What `fetch` takes and can be made anew from. */
export type FetchRequest = typeof globalThis extends { Request: { prototype: infer R } } ? R : unknown
/** What `fetch` gives. */
export type FetchResponse = Fetch extends (...given: never[]) => Promise<infer R> ? R : unknown
