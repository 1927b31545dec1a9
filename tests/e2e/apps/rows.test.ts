// The table in examples/README.md: every row that names a test names an existing one.
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from '@playwright/test'

const root = resolve(import.meta.dirname, '../../..')
const read = (path: string): string => readFileSync(resolve(root, path), 'utf8')

/** The file of a name in the last column; an app's own tests are named by the app alone. */
function file(name: string): string | undefined {
  const places = [
    `tests/e2e/apps/${name}.test.ts`,
    `tests/e2e/${name}.test.ts`,
    `server/tests/${name}.rs`,
    `examples/${name}`,
    name,
  ]
  return places.find((path) => existsSync(resolve(root, path)))
}

test('the rows are numbered in order, and the tests that they name are there', () => {
  const rows = [...read('examples/README.md').matchAll(/^\| (\d+) \|.*\| ([^|]*) \|$/gm)]
  expect(rows.length).toBeGreaterThan(150)
  expect(rows.map(([, number]) => Number(number))).toEqual(rows.map((_, index) => index + 1))
  const missing: string[] = []
  for (const [, number, shownBy] of rows) {
    for (const shown of shownBy!.split('; ')) {
      const [, name, title] = /^`([^` ]+)`(?:: (?:… )?(.*))?$/.exec(shown) ?? []
      if (!name) continue
      const path = file(name)
      if (!path) missing.push(`${number}: no file for ${name}`)
      else if (title && !read(path).toLowerCase().includes(title.toLowerCase())) missing.push(`${number}: ${path} has no “${title}”`)
    }
  }
  expect(missing).toEqual([])
})
