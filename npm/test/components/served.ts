/** What a server makes of Root.svelte. */
export const SERVED =
  '<!--[--><!--[0--><i>idle 0 </i> <b>none</b> <u></u> <button aria-label="connect"></button> <button aria-label="disconnect"></button><!--]--><!--]-->'
