import { nodeResolve } from '@rollup/plugin-node-resolve'

export default {
  input: 'main.js',
  output: { file: 'dist/main.js', format: 'es' },
  plugins: [nodeResolve()],
  // A warning about a package is a fault of that package.
  onwarn: ({ message }) => {
    throw new Error(message)
  },
}
