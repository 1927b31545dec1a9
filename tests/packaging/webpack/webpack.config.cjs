module.exports = {
  mode: 'production',
  entry: './main.js',
  output: { filename: 'main.js' },
  // The package is larger than webpack likes, and says so in its README.
  performance: { hints: false },
}
