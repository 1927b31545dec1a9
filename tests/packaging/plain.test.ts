// Without a bundler: the package's files unchanged, also under the strictest policy that allows Wasm.
import { test } from './support/fixtures.ts'
import { strict } from './support/policy.ts'

test('<script type=module>', { tag: '@fast' }, async ({ app, front, receives }) => {
  const plain = await app('plain')
  await receives(await front(plain.folder))
})

test('<script type=module>, strict CSP', { tag: '@fast' }, async ({ app, front, receives }) => {
  const plain = await app('plain')
  await receives(await front(plain.folder, strict))
})
