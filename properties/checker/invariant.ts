// What an invariant is, and where its findings go.
//
// Owns: the shapes, and that only the first few findings of an invariant are put into words: one
//   lost segment is a million lost records.

import type { LogName } from "../history.ts";
import type { IndexedHistory } from "./indexed.ts";

export interface Invariant {
  /** With the numbers of the groups that docs/properties.md tells. */
  readonly name: string;
  /** Who found that it matters. */
  readonly source: string;
  /** What a history must show for it to be judged at all. */
  readonly needs: string;
  check(history: IndexedHistory, findings: Findings): void;
}

export interface Violation {
  readonly invariant: string;
  readonly source: string;
  /** What was acknowledged, to whom, when, and what was read instead. */
  readonly message: string;
  /** Where it shows, when that is one log. */
  readonly log?: LogName;
  /** Indices into the history; the first is the one to mark. */
  readonly events: readonly number[];
}

const kept = 3;

export class Findings {
  readonly invariant: Invariant;
  readonly violations: Violation[] = [];
  /** How many times something was held against the invariant: 0 says that it did not apply. */
  looked = 0;
  found = 0;

  constructor(invariant: Invariant) {
    this.invariant = invariant;
  }

  look(times = 1): void {
    this.looked += times;
  }

  /** `events`: the first is where it shows. */
  violated(log: LogName | undefined, events: readonly number[], message: () => string): void {
    this.found++;
    if (this.violations.length >= kept) return;
    const { name, source } = this.invariant;
    this.violations.push({
      invariant: name,
      source,
      message: message(),
      ...(log === undefined ? {} : { log }),
      events: [...new Set(events.filter((index) => index >= 0))],
    });
  }
}
