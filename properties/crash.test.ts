// Power goes at every single write of the disk in a short life of a broker, and again at
// every write of the recovery.
//
// Source: correctness.md A 6, 15, 18; "ours" in its list of mutants. All invariants are held
// against each history.

import assert from "node:assert/strict";
import { test } from "node:test";
import { describeViolations, runsFactor, seed } from "./check.ts";
import { Coverage } from "./coverage.ts";
import { execute } from "./lives/run.ts";
import { killedThenPowerless, type Plan, type Round } from "./plan.ts";

const calm: Omit<Round, "commands"> = {
  jumpMs: 0,
  failSyncs: 0,
  fullDisk: false,
  roomFor: 0,
  crashAfter: 0,
  onlyProcess: false,
  retain: false,
  end: "go on",
  loadFails: 0,
  recoveryCrashes: [],
};

/** A bit of everything: rolls, all acks, retries, retention, deletions, a topic deleted and created, a clean restart. */
function script(seedOfRun: number): Plan {
  const send = { do: "send", producer: 0, log: 0, sizes: [40, 40], acks: "all", back: 1, raw: true } as const;
  const produce = { do: "produce", process: 0, log: 0, sizes: [30, 200], shiftMs: 0, acks: "all" } as const;
  return {
    seed: seedOfRun,
    topics: [
      { partitions: 2, configs: { "segment.bytes": 700, "retention.ms": 3_600_000, "index.interval.bytes": 100 } },
    ],
    rounds: [
      {
        ...calm,
        commands: [
          { do: "allocate", producer: 0 },
          produce,
          { ...produce, acks: "leader", process: 1 },
          { ...produce, log: 1, sizes: [10] },
          { do: "follow", process: 0, log: 0, limit: 5, waitMs: 30 },
        ],
      },
      {
        ...calm,
        commands: [
          { ...send, manner: "next" },
          { ...produce, acks: "none", process: 2 },
          { ...send, manner: "next" },
          { ...produce, sizes: [300, 300] },
          { do: "append", process: 1, log: 0, batches: [[20], [30, 40]], shiftMs: 0, acks: "all" },
          { do: "follow", process: 0, log: 0, limit: 5, waitMs: 0 },
        ],
      },
      {
        ...calm,
        commands: [
          { ...send, manner: "retry" },
          { ...send, manner: "next" },
          { do: "delete records", log: 0, percent: 50 },
          { do: "create topic", configs: { "segment.bytes": 700 } },
          { do: "conditional", process: 0, log: 1, sizes: [20], beyond: 0 },
        ],
      },
      {
        ...calm,
        end: "restart",
        commands: [
          { ...produce, log: 2 },
          { ...send, manner: "retry", back: 2 },
          { do: "allocate", producer: 1 },
        ],
      },
      {
        ...calm,
        jumpMs: 4_000_000,
        retain: true,
        commands: [
          { ...send, manner: "retry" },
          { ...send, manner: "next" },
          { ...produce, sizes: [600] },
          { ...produce, log: 1, acks: "leader" },
          { do: "delete topic", topic: 1 },
        ],
      },
      {
        ...calm,
        commands: [
          { ...send, manner: "retry" },
          { do: "create topic", configs: {} },
          { do: "follow", process: 0, log: 0, limit: 100, waitMs: 0 },
        ],
      },
    ],
  };
}

async function crashAt(plan: Plan, writes: readonly number[], coverage: Coverage): Promise<void> {
  const { violations, history } = await execute(plan, { crashAtWrites: writes, auditRounds: false, coverage });
  if (violations.length === 0) return;
  const lives = history.flatMap((event) => (event.kind === "crash" ? [event.detail] : []));
  assert.fail(
    `power went at ${writes.join(", ")} (${lives.join("; ")}), seed ${plan.seed}\n${describeViolations(violations)}`,
  );
}

test("a crash at every write of the disk loses nothing that was promised", async () => {
  const coverage = new Coverage();
  const lives = Math.max(1, Math.round(runsFactor));
  for (let life = 0; life < lives; life++) {
    const plan = script(seed + life);
    const whole = await execute(plan, { coverage, auditRounds: false });
    assert.deepEqual(whole.violations, [], describeViolations(whole.violations));
    const { writes } = whole.world.counts;
    coverage.add("write boundaries", writes);
    for (let write = 1; write <= writes; write++) await crashAt(plan, [write], coverage);
  }
  console.log(`a crash at every write: MOLDAU_SEED=${seed}\n${coverage.table()}`);
  coverage.demand(
    {
      "write boundaries": 200,
      crashes: 200,
      "crashes during recovery": 30,
      "recoveries that truncated": 20,
      "produce info": 200,
      "duplicates recognised": 400,
      rolls: 1000,
      "segments deleted": 500,
    },
    lives,
  );
});

test("a crash at every write of the recovery, too", async () => {
  const coverage = new Coverage();
  const plan = script(seed + 1000);
  const { writes } = (await execute(plan, { auditRounds: false })).world.counts;
  // First crashes spread over the life; for each, a second one at every write of what follows at once.
  const firsts = Math.max(1, Math.round(6 * runsFactor));
  for (let first = 0; first < firsts; first++) {
    const write = 1 + Math.floor(((first + 0.5) * writes) / firsts);
    for (let after = 1; after <= 20; after++)
      await crashAt({ ...plan, seed: plan.seed + first }, [write, write + after], coverage);
  }
  console.log(`crashes during recovery: MOLDAU_SEED=${seed}\n${coverage.table()}`);
  coverage.demand({ "crashes during recovery": 10 }, firsts);
});

test("what a broker shows after its process was killed outlives a loss of power", async () => {
  const coverage = new Coverage();
  const lives = Math.max(1, Math.round(6 * runsFactor));
  for (let life = 0; life < lives; life++) {
    for (let write = 1; write <= 20; write++) await crashAt(killedThenPowerless(seed + life, write), [], coverage);
  }
  console.log(`killed, then without power: MOLDAU_SEED=${seed}\n${coverage.table()}`);
  coverage.demand({ kills: 8, crashes: 20, "records read": 40 }, lives);
});
