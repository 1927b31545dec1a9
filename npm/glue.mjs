// The module that wasm-bindgen writes for the Wasm, without what it has for browsers older than those that the README
// names, and without its loader: how the Wasm is found, loaded and refused is `src/engine.ts`'s to say.
//
// It is a function that makes one engine of one instance, instead of a module that has one for all: an instance in which
// something was thrown is given up (`src/guard.ts`), and no other client has a part in it.

/** What is there, and what takes its place. Each must be there: wasm-bindgen is of one version, that of Cargo.lock. */
const EDITS = [
  [/(?<=^(?:\/\*.*\n|import .*\n)+)(?!import )/, 'export function bind(guard) {\n'],
  ['export class Client', 'class Client'],
  // The loader is the last thing in it.
  [/async function __wbg_load\([\s\S]*$/, 'return { Client, imports: guard.imports(__wbg_get_imports()), start }\n}\n'],
  [
    /let wasmModule, wasmInstance, wasm;\nfunction __wbg_finalize_init[\s\S]*?\n}\n/,
    `let wasm;
function start(instance) {
    wasm = guard.exports(instance.exports);
    wasm.__wbindgen_start();
}
`,
  ],
  // What the browser calls.
  ['return f(state.a, state.b, ...args);', 'return guard.call(f, state.a, state.b, args);'],
  // An instance is collected as a whole, so nothing in it has to be freed.
  [/const \w+ = \(typeof FinalizationRegistry === 'undefined'\)\s+\? .*\s+: new Fin.*\n/g, ''],
  [/^ *(ClientFinalization|CLOSURE_DTORS)\.(un)?register\(.*\n/gm, ''],
  [/    __destroy_into_raw\(\) \{[\s\S]*?\n    }\n    free\(\) \{[\s\S]*?\n    }\n/, ''],
  [/if \(!\('encodeInto' in cachedTextEncoder\)\) \{[\s\S]*?\n}\n/, ''],
  [/ {4}if \(realloc === undefined\) \{[\s\S]*?\n {4}}\n/, ''],
  [/cachedDataViewMemory0 === null \|\| .*(?=\) \{)/, 'cachedDataViewMemory0?.buffer !== wasm.memory.buffer'],
  [/if \(Symbol\.dispose\) .*\n/, ''],
]

export function lean(/** @type {string} */ glue) {
  return EDITS.reduce((text, [is, becomes]) => {
    const edited = text.replace(is, becomes)
    if (edited === text) throw new Error(`wasm-bindgen's module is not what it was: it lacks ${is}`)
    return edited
  }, glue)
}
