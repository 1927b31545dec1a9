/** The matrix, printed after all tests. */
import type { FullResult, Reporter, TestCase, TestResult } from '@playwright/test/reporter'

/** What tests record, with the column. Empty columns are left out. */
const noted = {
  with: 'with',
  through: 'the stream comes through',
  after: 'shown after',
  first: 'first block',
  left: 'a client that left is known',
  killed: 'a killed hub is known',
}
export type Noted = keyof typeof noted
const columns = ['what', ...Object.values(noted), 'result', 'took']
type Row = Record<string, string>

export default class Table implements Reporter {
  readonly #rows: Row[] = []

  onTestEnd({ title }: TestCase, { annotations, status, duration }: TestResult): void {
    const said = (type: string): string => annotations.filter((annotation) => annotation.type === type).at(-1)?.description ?? ''
    this.#rows.push({
      what: title,
      ...Object.fromEntries(Object.entries(noted).map(([type, column]) => [column, said(type)])),
      result: status === 'passed' ? 'ok' : status,
      took: `${(duration / 1000).toFixed(1)} s`,
    })
  }

  onEnd(_: FullResult): void {
    const shown = columns.filter((column) => this.#rows.some((row) => row[column]))
    const header: Row = Object.fromEntries(shown.map((column) => [column, column]))
    const widths = shown.map((column) => Math.max(...[header, ...this.#rows].map((row) => row[column]!.length)))
    const line = (row: Row): string => `| ${shown.map((column, i) => row[column]!.padEnd(widths[i]!)).join(' | ')} |`
    const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
    console.log(['', line(header), rule, ...this.#rows.map(line), ''].join('\n'))
  }
}
