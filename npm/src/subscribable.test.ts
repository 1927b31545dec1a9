import { expect, test, vi } from 'vitest'
import { Subscribable } from './subscribable.ts'

test('tells every listener of a change, until it leaves', () => {
  const value = new Subscribable(1)
  const first = vi.fn()
  const second = vi.fn()
  const stop = value.subscribe(first)
  value.subscribe(second)
  value.set(2)
  stop()
  stop()
  value.set(3)
  expect(value.getSnapshot()).toBe(3)
  expect(first).toHaveBeenCalledTimes(1)
  expect(second).toHaveBeenCalledTimes(2)
})

test('two who pass the same function each end only their own', () => {
  const value = new Subscribable(1)
  const listener = vi.fn()
  const stop = value.subscribe(listener)
  value.subscribe(listener)
  stop()
  value.set(2)
  expect(listener).toHaveBeenCalledTimes(1)
})

test('a listener that an earlier one ends is no longer called', () => {
  const value = new Subscribable(1)
  const late = vi.fn()
  let stop = (): void => {}
  value.subscribe(() => stop())
  stop = value.subscribe(late)
  value.set(2)
  expect(late).not.toHaveBeenCalled()
})

test('a listener that throws is reported, and keeps nobody else from hearing', () => {
  const queued = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(() => {})
  const value = new Subscribable(1)
  const other = vi.fn()
  value.subscribe(() => {
    throw new Error('mine')
  })
  value.subscribe(other)
  value.set(2)
  expect(other).toHaveBeenCalledTimes(1)
  expect(queued.mock.calls[0]![0]).toThrow('mine')
})
