// The page is of the hub's own origin, for happy-dom keeps to CORS.
const url = process.env.HUB

export default { test: { include: ['component.vitest.mjs'], environmentOptions: { happyDOM: { url }, jsdom: { url } } } }
