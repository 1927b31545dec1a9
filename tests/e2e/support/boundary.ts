/**
 * Makes the imports and exports of a page's Wasm throw: one of them, once or always, in the instances of one client.
 */
import type { Page } from '@playwright/test'

/** Where an exception is thrown. */
export interface Planted {
  side: 'imports' | 'exports'
  /** The name of the import or export; `*` means whichever is called next. */
  name: string
  /** Whether it is thrown only once, in the first instance that gets there. */
  once: boolean
  /** How many calls succeed before. */
  after?: number
}

declare global {
  var boundary: {
    /** The names of everything that is called across the boundary. */
    names: { imports: string[]; exports: string[] }
    planted: Planted | undefined
    /** How often an exception was thrown. */
    thrown: number
  }
}

/** Call this before the page is opened. */
export async function plantable(page: Page): Promise<void> {
  await page.addInitScript(() => {
    globalThis.boundary = { names: { imports: [], exports: [] }, planted: undefined, thrown: 0 }
    const wrap = (side: 'imports' | 'exports', all: Record<string, unknown>): Record<string, unknown> =>
      Object.fromEntries(
        Object.entries(all).map(([name, run]) => {
          if (typeof run !== 'function') return [name, run]
          if (!boundary.names[side].includes(name)) boundary.names[side].push(name)
          return [
            name,
            (...given: unknown[]) => {
              const { planted } = boundary
              if (planted?.side === side && [name, '*'].includes(planted.name) && (planted.after = (planted.after ?? 0) - 1) < 0) {
                if (planted.once) boundary.planted = undefined
                boundary.thrown++
                // A panic appears as a trap.
                throw side === 'imports' ? new Error(`planted in ${name}`) : new WebAssembly.RuntimeError('unreachable')
              }
              return (run as (...given: unknown[]) => unknown)(...given)
            },
          ]
        }),
      )
    const { instantiate } = WebAssembly
    WebAssembly.instantiate = (async (module: WebAssembly.Module, imports: Record<string, Record<string, unknown>>) => {
      const all = Object.fromEntries(Object.entries(imports).map(([name, functions]) => [name, wrap('imports', functions)]))
      const { exports } = await instantiate(module, all as WebAssembly.Imports)
      return { exports: wrap('exports', exports) }
    }) as never
  })
}
