// The module that wasm-bindgen writes for the Wasm, without what it has for browsers older than those that the README
// names, and without its loader: how the Wasm is found, loaded and refused is `src/engine.ts`'s to say.

/** What is there, and what takes its place. Each must be there: wasm-bindgen is of one version, that of Cargo.lock. */
const EDITS = [
  // The loader is the last thing in it.
  [/async function __wbg_load\([\s\S]*$/, 'export { __wbg_get_imports as imports, start }\n'],
  [
    /let wasmModule, wasmInstance, wasm;\nfunction __wbg_finalize_init[\s\S]*?\n}\n/,
    `let wasm;
/** What was instantiated first is what is used. */
function start(instance) {
    if (wasm) return;
    wasm = instance.exports;
    cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
    cachedTextEncoder = new TextEncoder();
    wasm.__wbindgen_start();
}
`,
  ],
  [/\(typeof FinalizationRegistry === 'undefined'\)\s+\? .*\s+: (?=new Fin)/g, ''],
  // Importing does nothing: `start` makes them.
  [/(?<=let cachedTextDecoder) = new TextDecoder\(.*\);\ncachedTextDecoder\.decode\(\);/, ';'],
  [/const (cachedTextEncoder) = new TextEncoder\(\);/, 'let $1;'],
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
