/** In place of `chunk` in `tidings/inline`: the engine is there from the beginning. */
import * as engine from './engine.ts'
import { learnRemedies } from './failures.ts'
import type { Chunk } from './chunk.ts'

export async function loadChunk(): Promise<Chunk> {
  learnRemedies(engine.remedyOf)
  return engine
}
