// Writes the package's Wasm with the names of its functions: they have the same numbers as the functions in a browser's
// stack trace (`wasm-function[93]`), so `wasm-objdump -x` or a debugger can name them.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { trapping } from './shrink.mjs'

const [, , file] = process.argv
if (!file) throw new Error('usage: node named-wasm.mjs FILE')
writeFileSync(resolve(process.env.INIT_CWD ?? '.', file), trapping(true))
