// A simulated broker, its clients beyond a bad network: every invariant holds, and after healing all converges.
//
// Source: correctness.md A 1-9, 15, 17-20, and C.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { check, runsFactor, seed } from "../check.ts";
import { simPlans } from "./plan.ts";
import { simulate } from "./simulation.ts";

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
    simPlans(),
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
