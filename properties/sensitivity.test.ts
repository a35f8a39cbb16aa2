// The suite notices when durability is taken away: a store that lies about syncing, one that
// lies about directories, and a broker that acknowledges before the sync, are each caught.
//
// Source: correctness.md B, "no fsync before ack" and "a new segment acknowledged before its
// directory is synced".

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { runsFactor, seed } from "./check.ts";
import { nothingPromisedIsLost, progress } from "./checker/durability.ts";
import { oneOffsetOneValue } from "./checker/offsets.ts";
import { topicsOutlive } from "./checker/topics.ts";
import { execute, type RunOptions } from "./lives/run.ts";
import { type Broken, broken, isOneOf } from "./mutants/mutant.ts";
import { type Plan, plans } from "./plan.ts";

const budget = Math.round(60 * Math.max(1, runsFactor));

interface Mutant {
  readonly name: string;
  readonly options: RunOptions;
  readonly found: readonly Broken[];
}

const lost = [broken(nothingPromisedIsLost), broken(oneOffsetOneValue)];
/** What the data folder's own files say is checked by a start, which then refuses. */
const refused = broken(progress, /the broker does not open/);

const mutants: readonly Mutant[] = [
  {
    name: "syncs of a log do nothing",
    options: { lies: { sync: /-\d+\/\d+\.log$/ } },
    found: lost,
  },
  {
    name: "syncs of what is not a log do nothing",
    options: { lies: { sync: /^metadata|checkpoint|properties/ } },
    found: [refused],
  },
  {
    name: "syncs of a partition's folder do nothing",
    options: { lies: { syncDirectory: /-\d+$/ } },
    found: lost,
  },
  {
    name: "syncs of the data folder do nothing",
    options: { lies: { syncDirectory: /^$/ } },
    found: [broken(topicsOutlive), refused],
  },
  {
    name: 'durability "os" acknowledges before the sync',
    options: { durability: "os" },
    found: lost,
  },
];

const drawn: readonly Plan[] = fc.sample(plans({ faults: false }), { seed, numRuns: budget });

for (const { name, options, found } of mutants) {
  test(`caught: ${name}`, async () => {
    for (const [index, plan] of drawn.entries()) {
      const { violations } = await execute(plan, options);
      const caught = violations.find((violation) => isOneOf(found, violation));
      if (caught === undefined) continue;
      console.log(`${name}: caught by plan ${index + 1} of MOLDAU_SEED=${seed}: ${caught.message}`);
      return;
    }
    assert.fail(`${name}: ${budget} plans of MOLDAU_SEED=${seed} found nothing`);
  });
}
