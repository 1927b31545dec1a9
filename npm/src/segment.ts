/**
 * Turns a foreign id into **one** channel segment by percent-encoding (RFC 3986) every byte outside `[A-Za-z0-9_.@~-]`,
 * so that an id such as `*` or `a:b` can neither become a pattern nor reach another channel. The Rust crate's
 * `segment()` returns the same text.
 *
 * ```ts
 * tidings.subscribe(`note:${segment(note.id)}`, render)
 * ```
 *
 * The empty id stays empty, and a channel made with it is refused (`malformedChannel`).
 *
 * @param id - any text; half a surrogate pair counts as U+FFFD, as it does wherever text becomes UTF-8
 */
export function segment(id: string): string {
  // Not `TextEncoder`, which some environments lack (Jest's jsdom). `encodeURIComponent` leaves `!*'()` unencoded,
  // encodes `@`, and refuses half a surrogate pair.
  return encodeURIComponent(id.replace(/\p{Surrogate}/gu, '\uFFFD'))
    .replace(/[!*'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/%40/g, '@')
}
