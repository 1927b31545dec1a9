/** In place of `chunk` in `tidings/inline`: the engine is there from the beginning. */
import * as engine from './engine.ts'
import type { Chunk } from './chunk.ts'

export const loadChunk = async (): Promise<Chunk> => engine
