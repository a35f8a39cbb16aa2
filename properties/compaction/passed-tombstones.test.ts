import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, type Verdict } from "../checker/index.ts";
import type { EventSketch, HistoryEvent } from "../history.ts";
import { passedTombstonesGo } from "./passed-tombstones.ts";

const log = "t-0";
const retentionMs = 1000;

function judged(...events: readonly EventSketch[]): Verdict {
  const history = events.map((event, at) => ({ ...event, atMs: at, incarnation: 1, invokedAt: at }) as HistoryEvent);
  return judge(history, [passedTombstonesGo]);
}

const policy: EventSketch = { kind: "policy", log, compact: true, deleteRetentionMs: retentionMs };
const run = (beganMs: number, more: { below?: number; passes?: number } = {}): EventSketch => ({
  ...{ kind: "compacted", log, below: 10, passes: 1, beganMs, endedMs: beganMs + 5, ...more },
});
/** A tombstone is at 4. */
const audit: EventSketch = {
  ...{ kind: "read", process: "auditor", log, manner: "audit", from: 2, outcome: "ok", logStartOffset: 2 },
  ...{ highWatermark: 12, nextOffset: 12 },
  records: [
    { offset: 3, timestamp: 1, value: "v0", key: "k0" },
    { offset: 4, timestamp: 1, value: "tombstone.4", key: "k1", tombstone: true },
  ],
};

test("a tombstone that a whole compaction has met is gone after one that begins delete.retention.ms later", () => {
  const { violations, checked } = judged(policy, run(100), run(1105), audit);
  assert.equal(checked[0]?.times, 8);
  assert.match(violations[0]?.message ?? "", /^the tombstone of key 'k1' at 4 is there, .* below 10 .* 1000 ms later/);
  assert.deepEqual(violations[0]?.events, [3, 2, 1]);
});

test("a run between the two takes nothing from what the first has met", () => {
  assert.equal(judged(policy, run(100), run(900), run(1105), audit).violations.length, 1);
});

const allowed: readonly (readonly [string, readonly EventSketch[]])[] = [
  ["the second began too soon", [policy, run(100), run(1104), audit]],
  ["the second found nothing to do", [policy, run(100), run(1105, { passes: 0 }), audit]],
  ["nobody said when they ran", [policy, { kind: "compacted", log, below: 10 }, run(1105), audit]],
  ["nothing was compacted since", [policy, run(100), audit]],
  ["the audit came between", [policy, run(100), audit, run(1105)]],
  ["no policy is told", [run(100), run(1105), audit]],
];

for (const [why, events] of allowed) {
  test(`not held against a tombstone: ${why}`, () => {
    const { violations, notApplicable } = judged(...events);
    assert.deepEqual(violations, []);
    assert.equal(notApplicable.length, 1);
  });
}

test("a tombstone that lay in the active segment then has its time before it", () => {
  assert.deepEqual(judged(policy, run(100, { below: 4 }), run(1105), audit).violations, []);
});
