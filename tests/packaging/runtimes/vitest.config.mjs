// The page has the hub's own origin, because happy-dom enforces CORS.
const url = process.env.HUB

export default { test: { include: ['component.vitest.mjs'], environmentOptions: { happyDOM: { url }, jsdom: { url } } } }
