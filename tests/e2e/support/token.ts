/** JSON Web Tokens, as an application's backend would sign them. */
import { createHmac } from 'node:crypto'

export const SECRET = 'a secret of thirty-two bytes, or more'

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token, valid for about this many seconds, that lets a user (Ana by default) subscribe to these channels. */
export function token(seconds: number, subscribe = ['*'], secret = SECRET, user = 'ana'): string {
  const exp = Math.floor(Date.now() / 1000) + seconds
  // `jti` makes every token different.
  const claims = { sub: user, exp, jti: crypto.randomUUID(), tidings: { subscribe } }
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
