import type { Engine } from './engine.ts'

/** Calls an engine, unless it is given up. One that has to be given up meanwhile tells so by its guard, and another one is made. */
export function attempt({ guard }: Engine, run: () => void): void {
  if (guard.ended) return
  try {
    run()
  } catch (cause) {
    if (!guard.ended) throw cause
  }
}
