/** Programs that run to their end. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { environment } from '../../e2e/support/service.ts'

export const root = join(import.meta.dirname, '../../..')

/** Runs a program in a folder. Resolves with its output. */
export async function run(cwd: string, program: string, ...args: string[]): Promise<string> {
  return runWith({}, cwd, program, ...args)
}

/** The same, with additional environment variables. */
export async function runWith(env: Record<string, string>, cwd: string, program: string, ...args: string[]): Promise<string> {
  try {
    const options = { cwd, env: { ...environment, ...env }, maxBuffer: 64 * 1024 * 1024 }
    const { stdout } = await promisify(execFile)(program, args, options)
    return stdout
  } catch (error) {
    const { message, stdout = '' } = error as Error & { stdout?: string }
    throw new Error(`${message}\n${stdout}`)
  }
}
