// Numbers that are written as their places in a list of recently seen numbers.

/** The most numbers in a list: a place, or the mark of a number that is not in the list, takes one byte. */
export const LONGEST = 255
/** The number of local variables in the list of each function at its beginning. */
export const LOCALS = 128

export class Recent {
  #numbers

  constructor(/** @type {string[]} */ numbers = []) {
    this.#numbers = numbers
  }

  /**
   * The place of a number, counted from 1, or 0 if it is not in the list. Each use moves the number two thirds of the
   * way to the front, so that a frequent number has a low place, and a number used once does not displace it.
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
