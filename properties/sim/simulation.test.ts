// A simulated broker, its clients beyond a bad network: every invariant holds, and after healing all converges.
//
// Source: correctness.md A 1-9, 15, 17-20, and C.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { check, runsFactor, seed } from "../check.ts";
import { mixedPlans } from "./plan.ts";
import { simulate } from "./simulation.ts";
import { simPlans, themedPlans } from "./themes.ts";

test("whatever network, disk and power do, every invariant holds, and healing brings everything to its end", async () => {
  await check(
    {
      name: "simulated runs",
      runs: 60,
      floors: {
        healings: 60,
        "produce ok": 2500,
        "produce info": 500,
        "duplicates recognised": 150,
        "reads (cursor)": 1500,
        "records delivered to members": 4000,
        "commits acknowledged": 400,
        "partitions assigned (classic)": 40,
        "partitions assigned (consumer)": 40,
        "messages lost": 400,
        "messages doubled": 150,
        "messages overtaken": 300,
        "messages cut off": 10,
        "messages clogged": 10,
        "lives ended by power": 30,
        "lives ended by kill": 5,
        "fault: partition": 6,
        "fault: clog": 4,
        "fault: pause": 1,
        "fault: stall disk": 2,
        "fault: fill disk": 4,
        "disk: short writes": 1,
        "folders verified": 60,
      },
    },
    mixedPlans(),
    async (plan, coverage) => (await simulate(plan, { coverage })).violations,
  );
});

test("what is rare and comes together often breaks no invariant either", async () => {
  await check(
    {
      name: "simulated runs about one thing each",
      runs: 60,
      floors: {
        healings: 60,
        "folders verified": 60,
        "fault: crash": 40,
        "fault: kill": 8,
        "fault: crash during recovery": 4,
        "fault: crash after recovery": 2,
        "fault: fail disk (sync log)": 3,
        "fault: lose cleaner point": 1,
        "fault: lose indexes": 1,
        "fault: lose snapshots": 1,
        "lives ended in a swap": 2,
        "logs compacted whole": 4,
        "records compacted away": 150,
        "segments deleted by retention": 50,
        "looks in the middle of everything": 150,
        "lent bytes given back": 20,
        "leader epochs compared": 600,
        "later epochs": 60,
        "batches of a producer that was taken over from: fail INVALID_PRODUCER_EPOCH": 3,
        "commits by keepers ok": 10,
      },
    },
    themedPlans(),
    async (plan, coverage) => (await simulate(plan, { coverage })).violations,
  );
});

test("a broker that acknowledges what it has not synced is caught, and only then", async () => {
  const drawn = fc.sample(simPlans({ chaosMs: 20_000 }), { seed, numRuns: Math.round(40 * Math.max(1, runsFactor)) });
  let caught = 0;
  for (const plan of drawn) {
    const { violations } = await simulate(plan, { durability: "os" });
    if (violations.length === 0) continue;
    caught += 1;
    const honest = await simulate(plan);
    assert.deepEqual(honest.violations, []);
  }
  assert.ok(caught > 0, `none of ${drawn.length} runs lost what was acknowledged`);
  console.log(`acknowledged before the sync: caught in ${caught} of ${drawn.length} runs`);
});
