import { nodeResolve } from '@rollup/plugin-node-resolve'

export default {
  input: 'main.js',
  // `file` does not work, because the engine is a chunk.
  output: { dir: 'dist', format: 'es' },
  plugins: [nodeResolve()],
  // A warning about a package is that package's fault.
  onwarn: ({ message }) => {
    throw new Error(message)
  },
}
