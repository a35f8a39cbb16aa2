// One seed gives one history: the same plan twice does the same to the disk and says the same to
// clients, and nothing is asked of the runtime's own clock, chance or timers meanwhile.
//
// Source: correctness.md C.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { runsFactor, seed } from "./check.ts";
import { execute } from "./lives/run.ts";
import { plans } from "./plan.ts";
import { trapping } from "./sim/trap.ts";

test("a plan run twice gives the same history, and touches nothing of the runtime", async () => {
  const drawn = fc.sample(plans(), { seed, numRuns: Math.round(12 * Math.max(1, runsFactor)) });
  for (const plan of drawn) {
    const seen: string[] = [];
    await trapping(async () => {
      for (let again = 0; again < 2; again++) {
        const { history, world } = await execute(plan);
        seen.push(`${world.trace.join("\n")}\n${JSON.stringify(history)}`);
      }
    });
    assert.ok(
      seen[0] === seen[1],
      `two runs of one plan differ from ${firstDifference(seen[0] ?? "", seen[1] ?? "")}, seed ${plan.seed}`,
    );
    assert.ok((seen[0] ?? "").length > 1000);
  }
});

function firstDifference(one: string, other: string): string {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  return JSON.stringify([one.slice(Math.max(0, at - 40), at + 80), other.slice(Math.max(0, at - 40), at + 80)]);
}
