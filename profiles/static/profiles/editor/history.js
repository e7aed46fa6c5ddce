// The squares before each step, for Undo and Redo.

export class History {
  #past = [];
  #future = [];

  get isEmpty() {
    return !this.#past.length;
  }

  /** Remember the square before a new step. A glide that is ended before it moves is none. */
  add(square) {
    if (!this.#past.at(-1)?.equals(square)) this.#past.push(square);
    this.#future = [];
  }

  /** Return the square before the one that is shown, or undefined. */
  undo(shown) {
    if (this.#past.length) this.#future.push(shown);
    return this.#past.pop();
  }

  /** Return the square that was undone last, or undefined. */
  redo(shown) {
    if (this.#future.length) this.#past.push(shown);
    return this.#future.pop();
  }
}
