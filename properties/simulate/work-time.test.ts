import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyTally } from "./campaign.ts";
import { progressLine } from "./summary.ts";
import { WorkTime } from "./work-time.ts";

test("time in which a plan is made small, or a worker has ended, is not time of work", () => {
  let now = { wallMs: 500, processorMs: 100 };
  const pass = (wallMs: number, processorMs: number): void => {
    now = { wallMs: now.wallMs + wallMs, processorMs: now.processorMs + processorMs };
  };
  const time = new WorkTime(2, () => now);
  pass(1000, 2000);
  assert.deepEqual(time.played(), { wallMs: 2000, processorMs: 2000 });
  time.set(1, "makes small");
  assert.equal(time.makingSmall, 1);
  pass(1000, 2000);
  assert.deepEqual(time.played(), { wallMs: 3000, processorMs: 3000 });
  time.set(0, "has ended");
  pass(1000, 1000);
  assert.deepEqual(time.played(), { wallMs: 3000, processorMs: 3000 });
  time.set(1, "plays");
  assert.equal(time.makingSmall, 0);
  pass(1000, 900);
  time.set(1, "has ended");
  pass(1000, 0);
  assert.deepEqual(time.played(), { wallMs: 4000, processorMs: 3900 });
});

test("progress tells a violation at once, that its plan is made small, and a rate without that time", () => {
  const tally = { ...emptyTally(), events: 3000 };
  const progress = { elapsedMs: 61_000, playedMs: 1000, violated: 0, makingSmall: 0 };
  assert.match(progressLine(tally, progress), /^61 s, .*, 3 000 events\/s, .*, 0 violated$/);
  assert.match(progressLine(tally, { ...progress, violated: 1, makingSmall: 1 }), /, 1 violated, making 1 plan small$/);
  assert.match(
    progressLine(tally, { ...progress, violated: 3, makingSmall: 2 }),
    /, 3 violated, making 2 plans small$/,
  );
});
