// A campaign finds what is broken, makes the plan small, and the small plan shows it again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { invariants } from "../checker/index.ts";
import { emptyTally, type Outcome, runPlan, runPlans, shrink } from "./campaign.ts";
import { campaignFloors, plansThatOwe } from "./floors.ts";
import { plansOf, unitSeed } from "./seeds.ts";
import { add, conclude, summary } from "./summary.ts";

const seed = unitSeed(20_261_126, 0);

test("a failing plan is made small and fails again, and holds where nothing is broken", async () => {
  const broken = { durability: "os" } as const;
  let outcome: Outcome | null = null;
  for (const [index, plan] of plansOf(seed).entries()) {
    const { found } = await runPlan(plan, broken);
    if (found === null) continue;
    outcome = { index, plan, found };
    break;
  }
  assert.ok(outcome !== null, "no plan shows that what is acknowledged is not synced");
  const failure = await shrink(seed, outcome, { ...broken, limitMs: 8000 });
  const size = (plan: Outcome["plan"]): number => plan.actors.length + plan.faults.length;
  assert.ok(failure.shrinks > 0 && size(failure.plan) < size(outcome.plan));
  const again = JSON.parse(JSON.stringify(failure.plan)) as Outcome["plan"];
  assert.equal((await runPlan(again, broken)).found, failure.found);
  assert.equal((await runPlan(again)).found, null);
});

test("when the time for making small is up, the run under way is brought to its end", async () => {
  const [plan] = plansOf(seed) as [Outcome["plan"]];
  const { random } = Math;
  const outcome = { index: 0, plan, found: "something" };
  // The plan holds, and takes longer than this.
  const failure = await shrink(seed, outcome, { limitMs: 1 });
  assert.equal(Math.random, random, "no world is under way");
  assert.deepEqual([failure.plan, failure.found, failure.shrinks], [plan, "something", 0]);
});

test("a campaign adds up what its plans did, and stops when it is told to", async () => {
  const tally = emptyTally();
  await runPlans(plansOf(seed), ({ found }, one) => {
    assert.equal(found, null);
    add(tally, one);
    return tally.plans < 5;
  });
  assert.equal(tally.plans, 5);
  assert.equal(tally.coverage["healings"], 5);
  assert.ok(tally.events > tally.operations && tally.operations > 0 && tally.simulatedMs > 5 * 15_000);
  const text = summary(tally, { coreSeconds: 1, processorSeconds: 1 });
  for (const [name, count] of Object.entries(tally.coverage)) {
    assert.ok(text.replaceAll(" ", "").includes(`${count}${name}`.replaceAll(" ", "")), name);
  }
  assert.deepEqual(Object.keys(tally.checked).sort(), invariants.map(({ name }) => name).sort());
  assert.match(text, /^invariants +\d+ of \d+ had something held against them/m);
  const silent = Object.keys(tally.checked).filter((name) => tally.checked[name] === 0);
  assert.ok(silent.length > 0, "there are some that no world of the simulator is about");
  for (const name of silent) assert.ok(text.includes(`\n${" ".repeat(28)}${name}\n`), name);
});

test("a campaign says what it has not shown: without a plan, with few, and with many that met too little", () => {
  assert.deepEqual(conclude({ plans: 0, coverage: {} }).status, 2);
  const few = conclude({ plans: plansThatOwe - 1, coverage: {} });
  assert.equal(few.status, 0);
  assert.match(few.text, /^every run held, but .*not judged: floors are judged from 300 plans on, and these were 299$/);
  const poor = conclude({ plans: plansThatOwe, coverage: {} });
  assert.equal(poor.status, 1);
  assert.match(poor.text, /met too few of the cases/);
  const rich = conclude({ plans: plansThatOwe, coverage: campaignFloors });
  assert.deepEqual(rich, { text: "every run held, and met what 300 plans owe", status: 0 });
});
