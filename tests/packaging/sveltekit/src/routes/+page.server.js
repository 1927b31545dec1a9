import { env } from '$env/dynamic/private'

/** The cursor from which the browser receives events. A page that also loads data must do so after this. */
export async function load({ fetch }) {
  return { cursor: await (await fetch(`${env.HUB}/cursor`)).text() }
}
