import { nodeResolve } from '@rollup/plugin-node-resolve'

export default {
  input: 'main.js',
  // Not `file`: the engine is a chunk.
  output: { dir: 'dist', format: 'es' },
  plugins: [nodeResolve()],
  // A warning about a package is a fault of that package.
  onwarn: ({ message }) => {
    throw new Error(message)
  },
}
