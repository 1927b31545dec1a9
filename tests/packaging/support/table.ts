/** The matrix, printed when all has run. */
import type { FullResult, Reporter, TestCase, TestResult } from '@playwright/test/reporter'

const columns = ['what', 'with', 'the stream comes through', 'shown after', 'result', 'took'] as const
type Row = Record<(typeof columns)[number], string>

export default class Table implements Reporter {
  readonly #rows: Row[] = []

  onTestEnd({ title }: TestCase, { annotations, status, duration }: TestResult): void {
    const noted = (type: string): string => annotations.filter((annotation) => annotation.type === type).at(-1)?.description ?? ''
    this.#rows.push({
      what: title,
      with: noted('with'),
      'the stream comes through': noted('through'),
      'shown after': noted('after'),
      result: status === 'passed' ? 'ok' : status,
      took: `${(duration / 1000).toFixed(1)} s`,
    })
  }

  onEnd(_: FullResult): void {
    const header = Object.fromEntries(columns.map((column) => [column, column])) as Row
    const widths = columns.map((column) => Math.max(...[header, ...this.#rows].map((row) => row[column].length)))
    const line = (row: Row): string => `| ${columns.map((column, i) => row[column].padEnd(widths[i]!)).join(' | ')} |`
    const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
    console.log(['', line(header), rule, ...this.#rows.map(line), ''].join('\n'))
  }
}
