import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { Tidings } from 'tidings'
import * as hooks from 'tidings/react'
import * as React from 'react'

const component = createRequire(import.meta.url)('./component.cjs')

test('a component', async () => {
  const { createRoot } = typeof document === 'undefined' ? {} : await import('react-dom/client')
  const outcome = await component({ Tidings, ...hooks, React, createRoot }, process.env.HUB, process.env.SINCE)
  expect(JSON.stringify(outcome)).toBe(process.env.EXPECTED)
})
