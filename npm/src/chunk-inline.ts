/** Replaces `chunk` in `tidings/inline`, where the engine is part of the same file. */
import * as engine from './engine.ts'
import type { Chunk } from './chunk.ts'

export const loadChunk = async (): Promise<Chunk> => engine
