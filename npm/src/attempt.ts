import type { Engine } from './engine.ts'

/** Calls an engine. If the engine breaks in the call, its guard reports that, and the client makes another engine. */
export function attempt({ guard }: Engine, run: () => void): void {
  if (guard.ended) return
  try {
    run()
  } catch (cause) {
    if (!guard.ended) throw cause
  }
}
