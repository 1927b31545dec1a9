import { env } from '$env/dynamic/private'

/** From where the browser is to hear. A page that also loads data does so after this. */
export async function load({ fetch }) {
  return { cursor: await (await fetch(`${env.HUB}/cursor`)).text() }
}
