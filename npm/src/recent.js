// Numbers that are written as their places in a list of those that were last seen.

/** So many numbers are in a list at most: a place, or one for a number that is not in it, is a byte. */
export const LONGEST = 255
/** So many local variables are in the list of each function from its beginning on. */
export const LOCALS = 128

export class Recent {
  #numbers

  constructor(/** @type {string[]} */ numbers = []) {
    this.#numbers = numbers
  }

  /**
   * The place of a number, counted from 1, or 0 where it is not in the list. Each use moves it two thirds of the way to the front, so that what is
   * used often has a low place, and what was used once does not push it away.
   */
  place(/** @type {string} */ number) {
    const numbers = this.#numbers
    const found = numbers.indexOf(number)
    const at = found < 0 ? Math.min(numbers.length, LONGEST - 1) : found
    numbers.splice(at, 1)
    numbers.splice(Math.floor(at / 3), 0, number)
    return found + 1
  }
}
