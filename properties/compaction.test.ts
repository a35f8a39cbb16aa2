// Compaction keeps the latest value of every key, offsets, order and the producers' sequences,
// through crashes at every write of it and of the recovery after it.
//
// Source: correctness.md A 9, A 15, A 19; KAFKA-6264 (a crash in mid swap), KAFKA-4529 (an early
// tombstone), KAFKA-5490 and KAFKA-8335 (the producer's sequence).

import assert from "node:assert/strict";
import { test } from "node:test";
import { check, describeViolations, runsFactor, seed } from "./check.ts";
import { passedTombstonesGo } from "./compaction/passed-tombstones.ts";
import { compactionPlans, compactionScript } from "./compaction/plans.ts";
import { executeCompaction } from "./compaction/run.ts";
import { Coverage } from "./coverage.ts";

test("compaction against a plain map, with crashes", async () => {
  await check(
    {
      name: "compaction",
      runs: 120,
      floors: {
        looks: 900,
        passes: 500,
        "passes beyond the first of a run": 250,
        "records taken": 1500,
        "segments merged": 180,
        "segments split": 4,
        "tombstones gone": 300,
        [`offsets held against ${passedTombstonesGo.name}`]: 2500,
        "retries recognised": 550,
        "compressed batches": 250,
        crashes: 150,
        "crashes in a swap": 35,
        "crashes in a recovery": 45,
        "swaps completed by a start": 7,
        "appends while compacting": 120,
        "records deleted": 35,
        "restarts without snapshots": 50,
        "folders verified": 250,
      },
    },
    compactionPlans(),
    async (plan, coverage) => (await executeCompaction(plan, { coverage })).violations,
  );
});

async function crashAt(writes: readonly number[], seedOfRun: number, coverage: Coverage): Promise<void> {
  const { violations } = await executeCompaction(compactionScript(seedOfRun), { crashAtWrites: writes, coverage });
  assert.deepEqual(
    violations,
    [],
    `power went at ${writes.join(", ")}, seed ${seedOfRun}\n${describeViolations(violations)}`,
  );
}

/** Of compaction's own files, the folder's syncs among them. */
const own = /\.(cleaned|swap|deleted)\b|(compaction|cleaner-offset)-checkpoint|^syncDirectory t-0/;

test("a crash at every write of a compaction, and at some of the writes around it", async () => {
  const coverage = new Coverage();
  const lives = Math.max(1, Math.round(runsFactor));
  for (let life = 0; life < lives; life++) {
    const whole = await executeCompaction(compactionScript(seed + life), { coverage });
    assert.deepEqual(whole.violations, [], describeViolations(whole.violations));
    for (const { what, write } of writesOf(whole.world.trace)) {
      if (write > whole.commandWrites || !(own.test(what) || write % 4 === life % 4)) continue;
      coverage.add("write boundaries");
      await crashAt([write], seed + life, coverage);
    }
  }
  console.log(`a crash at every write: MOLDAU_SEED=${seed}\n${coverage.table()}`);
  coverage.demand({ "write boundaries": 150, "crashes in a swap": 120, "swaps completed by a start": 40 }, lives);
});

test("a crash at every write of the recovery of a swap", async () => {
  const coverage = new Coverage();
  const lives = Math.max(1, Math.round(runsFactor));
  for (let life = 0; life < lives; life++) {
    const { world } = await executeCompaction(compactionScript(seed + 500 + life));
    // Where a crash leaves most to do: around the renames.
    const renames = writesOf(world.trace).flatMap(({ what, write }) => (/^rename .*\.swap/.test(what) ? [write] : []));
    for (const write of renames.filter((_, index) => index % 8 === life % 8)) {
      for (let after = 1; after <= 14; after++) await crashAt([write, write + after], seed + 500 + life, coverage);
    }
  }
  console.log(`crashes in a swap's recovery: MOLDAU_SEED=${seed}\n${coverage.table()}`);
  coverage.demand({ "crashes in a recovery": 80, "swaps completed by a start": 30 }, lives);
});

/** The writes of a trace, numbered as the world counts them. */
function writesOf(trace: readonly string[]): { readonly what: string; readonly write: number }[] {
  let write = 0;
  return trace.flatMap((line) => {
    const what = line.slice(line.indexOf(" ") + 1);
    if (/^(open|read|list) /.test(what)) return [];
    write += 1;
    return [{ what, write }];
  });
}
