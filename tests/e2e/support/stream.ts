/** One event stream on its way through the front. */
import type { IncomingMessage, ServerResponse } from 'node:http'

export class Stream {
  #left = Infinity
  #frozen = false
  #end = ''

  constructor(
    private readonly from: IncomingMessage,
    private readonly to: ServerResponse,
    private readonly onCut: (end: string) => void,
  ) {
    from.on('data', (chunk: Buffer) => this.#forward(chunk))
    // The server's end, orderly or not, is passed on; a frozen stream hides it.
    from.on('end', () => this.#frozen || to.end())
    from.on('error', () => this.#frozen || to.destroy())
  }

  /** Cuts it after so many more bytes. */
  cutAfter(bytes: number): void {
    this.#left = bytes
  }

  /** Breaks the connection to the browser off. */
  cut(): void {
    this.from.destroy()
    this.to.destroy()
    this.onCut(this.#end)
  }

  /** Lets nothing through any more. */
  freeze(): void {
    this.#frozen = true
  }

  #forward(chunk: Buffer): void {
    if (this.#frozen) return
    const piece = chunk.subarray(0, this.#left)
    this.#left -= piece.length
    this.#end = (this.#end + piece.toString('latin1')).slice(-80)
    if (this.#left > 0) {
      this.to.write(piece)
    } else {
      this.#frozen = true
      // What belongs to this piece still leaves, half a frame included.
      this.to.write(piece, () => this.cut())
    }
  }
}
