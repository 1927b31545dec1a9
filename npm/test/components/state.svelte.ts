/** Props that a test may change. */
export function stateOf<T extends object>(given: T): T {
  const state = $state(given)
  return state
}
