import type { Tidings } from 'tidings'

/** What `call` needs of a client. */
type Caller = Pick<Tidings<any>, 'fetch'>

let caller: Caller | undefined

/** The client by which the page calls its server. */
export function use(client: Caller): void {
  caller = client
}

export function theClient(): Caller {
  if (!caller) throw new Error('call client() first')
  return caller
}

/** What happens when the server no longer knows who we are; set by the shell. */
export const session = { lost: (): void => {} }
