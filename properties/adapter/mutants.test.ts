// Each fault, put back into a copy of the engine, is noticed by the invariants that it names.
//
// A bounded hunt: first the seeds that killed it when all of them were hunted last (`npm run mutants`),
// then as many of a stream as the budget allows.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runsFactor, seed } from "../check.ts";
import { repositoryRoot } from "../house/repository.ts";
import { copyWith } from "../mutants/copy.ts";
import { hunt } from "../mutants/hunt.ts";
import { mutants } from "../mutants/index.ts";
import type { Mutant } from "../mutants/mutant.ts";
import type { Results } from "../mutants/results.ts";
import { seedOf, suites } from "../mutants/suites.ts";

const leastBudget = 400;
const { mutants: lastRun } = JSON.parse(
  readFileSync(join(repositoryRoot(), "properties/mutants/results.json"), "utf8"),
) as Results;

function* seedsFor({ name }: Mutant): Generator<number, void, void> {
  const hunts = lastRun.mutants.find((one) => one.name === name)?.hunts ?? [];
  for (const { killedBy } of hunts) if (killedBy !== null) yield killedBy.seed;
  // Where the engine has changed so that these do not kill any more, what took long takes long again.
  const most = Math.max(leastBudget, ...hunts.map(({ seeds }) => 3 * seeds));
  const budget = Math.round(most * Math.max(1, runsFactor));
  for (let index = 0; index < budget; index += 1) yield seedOf(seed, index);
}

for (const mutant of mutants) {
  test(`killed: ${mutant.name}`, async () => {
    const { runs, remove } = await copyWith(mutant);
    try {
      const { kill, played, others } = await hunt({
        found: mutant.found,
        seeds: seedsFor(mutant),
        play: (one) => suites[mutant.suite](one, runs),
      });
      const noticed = [...others.keys()].join("; ");
      if (kill === null) assert.fail(`${mutant.name}: survived ${played} seeds; noticed otherwise: ${noticed}`);
      console.log(`${mutant.name}: killed by seed ${kill.seed}, the ${kill.seeds}th: ${kill.message.slice(0, 300)}`);
    } finally {
      remove();
    }
  });
}

test("not a fault: every few batches are synced ahead of the flush", async () => {
  const { runs, remove } = await copyWith({
    name: "syncs ahead",
    ...{ source: "none", history: "none", suite: "lives" },
    file: "broker/partition",
    find: "log.appendedBytes - this.#aheadTo >= syncAheadBytes",
    replace: "log.appendedBytes - this.#aheadTo >= 150",
  });
  try {
    for (let index = 0; index < 100; index += 1) {
      assert.deepEqual(await suites.lives(seedOf(seed, index), runs), []);
    }
  } finally {
    remove();
  }
});
