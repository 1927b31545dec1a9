/** Exactly what a page needs: its own files, the stream, and Wasm. */
export const strict = {
  'Content-Security-Policy': "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:",
}
