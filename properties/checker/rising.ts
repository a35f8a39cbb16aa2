// The highest that was known of something, as of any earlier moment of a history.
//
// Invariant: both columns rise; entries are added in the order of the history.

export class Rising {
  readonly #indices: number[] = [];
  readonly #values: number[] = [];

  /** `value` was known when the history had `index` events. A value that is no new highest is passed over. */
  add(index: number, value: number): void {
    if (value <= (this.#values.at(-1) ?? Number.NEGATIVE_INFINITY)) return;
    this.#indices.push(index);
    this.#values.push(value);
  }

  /** The highest value of an event before `index`, and that event. */
  before(index: number): { readonly value: number; readonly index: number } | null {
    let low = 0;
    let high = this.#indices.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#indices[middle] as number) < index) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? null : { value: this.#values[low - 1] as number, index: this.#indices[low - 1] as number };
  }
}
