/** The server's rendering of Root.svelte. */
export const SERVED =
  '<!--[--><!--[0--><i>idle 0 </i> <b>none</b> <u></u> <s data-channel="pending " data-latest="pending " data-label="pending " data-presence="paused "></s> <button aria-label="connect"></button> <button aria-label="disconnect"></button><!--]--><!--]-->'
