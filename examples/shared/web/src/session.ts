import type { Tidings } from 'tidings'

/** The part of a client that `call` needs. */
type Caller = Pick<Tidings<any>, 'fetch'>

let caller: Caller | undefined

/** Sets the client by which the page calls its server. */
export function use(client: Caller): void {
  caller = client
}

export function theClient(): Caller {
  if (!caller) throw new Error('call client() first')
  return caller
}

/** Called when the server no longer knows the session; set by the shell. */
export const session = { lost: (): void => {} }
