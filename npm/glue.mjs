// Changes the module that wasm-bindgen generates for the Wasm: it removes the code for browsers older than those that
// the README names, and the loader, because `src/engine.ts` loads the Wasm and reports failures.
//
// The result is a function that makes one engine of one instance, instead of a module with one instance for all: an
// instance in which an error was thrown is given up (`src/guard.ts`) without any effect on other clients.

/**
 * The texts that are replaced, and their replacements. Each text must occur, because Cargo.lock fixes the version of
 * wasm-bindgen.
 */
const EDITS = [
  [/(?<=^(?:\/\*.*\n|import .*\n)+)(?!import )/, 'export function bind(guard) {\n'],
  ['export class Client', 'class Client'],
  // The loader is the last part of the module.
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
  // The closures that the browser calls. An instance is collected as a whole, so no value in it has to be freed.
  [/function makeClosure\(arg0, arg1, f\) \{[\s\S]*?\n}\n/, 'const makeClosure = (arg0, arg1, f) => (...args) => guard.call(f, arg0, arg1, args)\n'],
  [/arg0\._wbg_cb_unref\(\);\n/, ''],
  [/const \w+ = \(typeof FinalizationRegistry === 'undefined'\)\s+\? .*\s+: new Fin.*\n/g, ''],
  [/^ *ClientFinalization\.(un)?register\(.*\n/gm, ''],
  [/    __destroy_into_raw\(\) \{[\s\S]*?\n    }\n    free\(\) \{[\s\S]*?\n    }\n/, ''],
  [/if \(!\('encodeInto' in cachedTextEncoder\)\) \{[\s\S]*?\n}\n/, ''],
  [/ {4}if \(realloc === undefined\) \{[\s\S]*?\n {4}}\n/, ''],
  [/cachedDataViewMemory0 === null \|\| .*(?=\) \{)/, 'cachedDataViewMemory0?.buffer !== wasm.memory.buffer'],
  [/if \(Symbol\.dispose\) .*\n/, ''],
  // None of the imports looks at `this`.
  [/(: )function(\(.*?\)) \{/g, '$1$2 => {'],
]

export function lean(/** @type {string} */ glue) {
  return EDITS.reduce((text, [is, becomes]) => {
    const edited = text.replace(is, becomes)
    if (edited === text) throw new Error(`wasm-bindgen's module is not what it was: it lacks ${is}`)
    return edited
  }, glue)
}
