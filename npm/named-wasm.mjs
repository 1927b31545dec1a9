// Writes the Wasm of the package with the names of its functions: its functions have the numbers that a browser's stack trace shows for the
// one without (`wasm-function[93]`), so `wasm-objdump -x` or a debugger tells which they are.
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { trapping } from './shrink.mjs'

const [, , file] = process.argv
if (!file) throw new Error('usage: node named-wasm.mjs FILE')
writeFileSync(resolve(process.env.INIT_CWD ?? '.', file), trapping(true))
