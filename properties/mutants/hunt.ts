// The hunt for one mutant: seeds, one after the other, until an invariant notices.
//
// Owns: what counts as killed: one of the invariants that the mutant names was broken, by the name that it has in
//   the list of all (checker/index.ts); whatever a suite calls something else counts for nothing.
// Never: copies an engine (copy.ts), or knows of other hunts.

import { invariants, type Violation } from "../checker/index.ts";

const listed: ReadonlySet<string> = new Set(invariants.map(({ name }) => name));

export interface Hunt {
  readonly found: RegExp;
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
    const [first] = violations.filter(({ invariant }) => listed.has(invariant) && found.test(invariant));
    if (first !== undefined) {
      const { invariant, message } = first;
      return { kill: { seeds: count, seed, invariant, message }, played: count, others };
    }
    for (const invariant of new Set(violations.map((violation) => violation.invariant))) note(invariant);
  }
  return { kill: null, played: count, others };
}
