// Faults that the package once had, or could have had, put back into its text, to test the judges. The world names the
// one of a run (`tests/src/sim/shell/sabotage.rs`), and makes those of the browser and the network itself.

/** By name: the file, the original text, and the text that replaces it. */
const SABOTAGES = {
  'r1: a throw is told to nobody': { file: 'engine', is: 'queueMicrotask(() => this.#onBroken(cause));', becomes: '' },
  'r1: a URL that is none is not looked at': {
    file: 'engine',
    is: 'function check({ url, deviceId, sessionId }) {',
    becomes: 'function check({ deviceId, sessionId }) {\n  const url = "/e";',
  },
  'r1: the engine is loaded for nothing': { file: 'index', is: 'headers = () => ({', becomes: 'headers = () => (this.preload(), {' },
  'r5: old routes stay remembered': { file: 'engine', is: /channels\.clear\(\);\s*labels\.clear\(\);\s*rooms\.clear\(\);/, becomes: '' },
  'r11: the origin is the location\'s': { file: 'index', is: 'const { origin } = globalThis;', becomes: 'const { origin } = location;' },
  'r11: methods are not bound': { file: 'index', is: 'connect = () => {', becomes: 'connect = function () {' },
  'r11: a replaced module cannot configure again': { file: 'index', is: /if \(app && [^;]*\) return app\.adopt\(chosen\);/, becomes: '' },
  'a cursor is noted after its handler': {
    file: 'index',
    is: /(this\.floor = event\.cursor;)(\s*)(this\.#handler\(event\);)/,
    becomes: '$3$2$1',
  },
  'reset keeps the handlers': { file: 'index', is: /for \(const listener of \[\.\.\.this\.#listeners\]\) listener\.end\(\);/, becomes: '' },
  'storage is never refused': {
    file: 'index',
    is: /try \{\s*(localStorage\.setItem\(STORAGE_KEY, id\);)\s*\} catch \{\s*\}/,
    becomes: '$1',
  },
  'a closed stream is kept': { file: 'engine', is: /if \(byFetch\w*\) source\?\.abort\(\);/, becomes: 'if (byFetch) {}' },
}

/** The text of a file with a fault put back. The original text must exist, because the package may have changed. */
export function patched(sabotage, name, text) {
  const { file, is, becomes } = SABOTAGES[sabotage] ?? {}
  if (file !== name) return text
  const changed = text.replace(is, becomes)
  if (changed === text) throw new Error(`the package is not what it was: ${name}.js lacks what \`${sabotage}\` takes the place of`)
  return changed
}
