// What was found to be wrong, under the name of the invariant that it breaks.

import type { Invariant, Violation } from "../checker/index.ts";

export class Broken extends Error {
  readonly #invariant: Invariant;

  constructor(invariant: Invariant, message: string) {
    super(message);
    this.#invariant = invariant;
  }

  get violation(): Violation {
    const { name, source } = this.#invariant;
    return { invariant: name, source, message: this.message, events: [] };
  }
}
