const component = require('./component.cjs')

test('a component', async () => {
  const { createRoot } = typeof document === 'undefined' ? {} : require('react-dom/client')
  const given = { ...require('tidings'), ...require('tidings/react'), React: require('react'), createRoot }
  expect(JSON.stringify(await component(given, process.env.HUB, process.env.SINCE))).toBe(process.env.EXPECTED)
})
