// Whatever clients do and wherever power goes, every invariant holds: plans drawn by fast-check.
//
// Source: correctness.md A 1-8, 15, 18-20.

import { test } from "node:test";
import { check } from "./check.ts";
import { execute } from "./lives/run.ts";
import { plans } from "./plan.ts";

test("a broker that never crashes keeps every invariant", async () => {
  await check(
    {
      name: "calm plans",
      runs: 120,
      floors: {
        rolls: 250,
        "clean restarts": 60,
        "duplicates recognised": 100,
        "refused OUT_OF_ORDER_SEQUENCE_NUMBER": 5,
        "refused OFFSET_MISMATCH": 20,
        "conditional ok": 40,
        "retention passes": 100,
        "segments deleted": 60,
        "delete records ok": 10,
        "look-ups with a record": 300,
        "look-ups without a record": 50,
        "reads (cursor)": 200,
        "sequence wraps": 5,
        "later epochs": 20,
        "topics altered": 20,
      },
    },
    plans({ crashes: false, faults: false }),
    async (plan, coverage) => (await execute(plan, { coverage })).violations,
  );
});

test("a broker that crashes, and whose disk fails, keeps every invariant", async () => {
  await check(
    {
      name: "plans with crashes",
      runs: 200,
      floors: {
        crashes: 150,
        kills: 50,
        "crashes during recovery": 40,
        "recoveries that truncated": 8,
        "produce info": 150,
        "duplicates recognised": 50,
        "segments deleted": 50,
        "fenced partitions seen": 8,
        "full disks": 20,
        "refused KAFKA_STORAGE_ERROR": 20,
        rolls: 150,
        "create topic ok": 150,
        "delete topic ok": 4,
      },
    },
    plans(),
    async (plan, coverage) => (await execute(plan, { coverage })).violations,
  );
});
