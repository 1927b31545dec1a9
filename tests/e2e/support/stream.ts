/** One event stream that passes through the front. */
import type { IncomingMessage, ServerResponse } from 'node:http'

const NEWLINE = 10

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
    // The end of the server's response is passed on; a frozen stream hides it.
    from.on('end', () => this.#frozen || to.end())
    from.on('error', () => this.#frozen || to.destroy())
  }

  /** Cuts the stream after about this many more bytes, in the middle of a frame. */
  cutAfter(bytes: number): void {
    this.#left = bytes
  }

  /** Breaks off the connection to the browser. */
  cut(): void {
    this.from.destroy()
    this.to.destroy()
    this.onCut(this.#end)
  }

  /** Forwards nothing any more. */
  freeze(): void {
    this.#frozen = true
  }

  #forward(chunk: Buffer): void {
    if (this.#frozen) return
    if (chunk.length < this.#left) {
      this.#left -= chunk.length
      this.#pass(chunk)
    } else {
      let length = this.#left
      while (chunk[length - 1] === NEWLINE) length -= 1
      // The bytes that belong to this piece are still forwarded, half a frame included.
      this.#pass(chunk.subarray(0, length), () => this.cut())
      this.#frozen = true
    }
  }

  #pass(piece: Buffer, sent?: () => void): void {
    this.#end = (this.#end + piece.toString('latin1')).slice(-80)
    this.to.write(piece, sent)
  }
}
