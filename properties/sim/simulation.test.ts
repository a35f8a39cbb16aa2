// A simulated broker, its clients beyond a bad network: every invariant holds, and after healing all converges.
//
// Source: correctness.md A 1-7, 15, 18, 20, and C.

import { test } from "node:test";
import { check } from "../check.ts";
import { simPlans } from "./plan.ts";
import { simulate } from "./simulation.ts";

test("whatever network, disk and power do, every invariant holds, and healing brings everything to its end", async () => {
  await check(
    {
      name: "simulated runs",
      runs: 60,
      floors: {
        healings: 60,
        "produce ok": 2000,
        "produce info": 200,
        "duplicates recognised": 100,
        "reads (cursor)": 2000,
        "messages lost": 300,
        "messages doubled": 100,
        "messages overtaken": 100,
        "lives ended by power": 20,
        "lives ended by kill": 5,
        "fault: partition": 10,
        "fault: clog": 10,
        "fault: pause": 5,
        "fault: stall disk": 5,
        "disk: short writes": 1,
      },
    },
    simPlans(),
    async (plan, coverage) => (await simulate(plan, { coverage })).violations,
  );
});
