// The hunt for one mutant: seeds, one after the other, until an invariant notices.
//
// Owns: what counts as killed: one of the invariants that the mutant names was broken; whatever a suite calls by
//   another name than the list of all has (checker/index.ts) counts for nothing.
// Never: copies an engine (copy.ts), or knows of other hunts.

import type { Violation } from "../checker/index.ts";
import { type Broken, isOneOf } from "./mutant.ts";

export interface Hunt {
  /** null: whatever is broken. */
  readonly found: readonly Broken[] | null;
  /** The seeds, in their order. */
  readonly seeds: Iterable<number>;
  readonly play: (seed: number) => Promise<readonly Violation[]>;
  /** Told after every seed. */
  readonly played?: () => void;
}

export interface Kill {
  /** Seeds played, the last of which killed. */
  readonly seeds: number;
  readonly seed: number;
  readonly invariant: string;
  readonly message: string;
}

export interface Hunted {
  readonly kill: Kill | null;
  /** Seeds played. */
  readonly played: number;
  /** What else was broken, or thrown, and how often: tells why something survives. */
  readonly others: ReadonlyMap<string, number>;
}

export async function hunt({ found, seeds, play, played = () => {} }: Hunt): Promise<Hunted> {
  const others = new Map<string, number>();
  const note = (what: string): void => void others.set(what, (others.get(what) ?? 0) + 1);
  let count = 0;
  for (const seed of seeds) {
    count += 1;
    let violations: readonly Violation[] = [];
    try {
      violations = await play(seed);
    } catch (error) {
      note(`thrown: ${error instanceof Error ? error.message : String(error)}`.slice(0, 200));
    }
    played();
    const [first] = violations.filter((violation) => found === null || isOneOf(found, violation));
    if (first !== undefined) {
      const { invariant, message } = first;
      return { kill: { seeds: count, seed, invariant, message }, played: count, others };
    }
    for (const invariant of new Set(violations.map((violation) => violation.invariant))) note(invariant);
  }
  return { kill: null, played: count, others };
}
