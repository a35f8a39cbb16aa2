import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HistoryEvent } from "../history.ts";
import { createReport } from "./report.ts";
import { createTimeline, type Lane, marksWithin, nearestMark, type Timeline } from "./timeline.ts";

function timelineOf(events: readonly Partial<HistoryEvent>[], named: readonly number[] = []): Timeline {
  const history = events.map((event) => ({ incarnation: 1, invokedAt: 0, records: [], ...event })) as HistoryEvent[];
  const violations = named.length === 0 ? [] : [{ invariant: "i", source: "s", message: "m", events: named }];
  return createTimeline(
    createReport({
      ...{
        target: "t",
        seed: 1,
        startedAt: new Date(0),
        seconds: 1,
        tool: { moldau: "0", runtime: "0" },
        command: "c",
      },
      ...{
        history,
        verdict: {
          holds: named.length === 0,
          violations,
          events: history.length,
          operations: 0,
          checked: [],
          notApplicable: [],
        },
      },
    }),
  );
}

test("a partition's processes have a lane each, its members too; groups and the rest follow", () => {
  const { lanes } = timelineOf([
    { kind: "topics", atMs: 1, ids: [] },
    { kind: "commit", atMs: 2, group: "g", member: "m1", outcome: "ok" } as Partial<HistoryEvent>,
    { kind: "read", atMs: 3, log: "t-10", process: "r0", manner: "fetch", outcome: "ok" },
    { kind: "read", atMs: 4, log: "t-2", process: "r0", manner: "audit", outcome: "ok" },
    { kind: "produce", atMs: 5, log: "t-2", process: "p1", outcome: "info" },
    { kind: "produce", atMs: 6, log: "t-2", process: "p0", outcome: "fail" },
    { kind: "read", atMs: 7, log: "t-2", process: "x", manner: "group", group: "g", member: "m1", outcome: "ok" },
    { kind: "describe", atMs: 8, log: "t-2" },
  ]);
  assert.deepEqual(
    lanes.map(({ group, name, marks }) => `${group}: ${name} (${marks.map(({ outcome }) => outcome)})`),
    [
      "t-2: p0 produces (fail)",
      "t-2: p1 produces (info)",
      "t-2: members of g are given (ok)",
      "t-2: r0 reads all (ok)",
      "t-2: the log is asked (note)",
      "t-10: r0 reads (ok)",
      "group g: m1 (ok)",
      "all of it: topics and producer ids (note)",
    ],
  );
});

test("from a crash to the first answer after it it is down; faults are signs; what is named is marked", () => {
  const { bands, signs, lanes, toMs } = timelineOf(
    [
      { kind: "fault", atMs: 10, what: "SIGKILL", detail: "" },
      { kind: "crash", atMs: 10, detail: "" },
      { kind: "open", atMs: 30, detail: "" },
      { kind: "produce", atMs: 40, log: "t-0", process: "p", outcome: "ok", invokedAt: 2 },
      { kind: "close", atMs: 50, detail: "", clean: true },
      { kind: "produce", atMs: 60, log: "t-0", process: "q", outcome: "info", invokedAt: 5 },
    ],
    [3, 0],
  );
  assert.deepEqual(bands, [
    { fromMs: 10, toMs: 40 },
    { fromMs: 50, toMs: 60 },
  ]);
  assert.deepEqual(
    signs.map(({ label, violating }) => `${label}${violating ? "!" : ""}`),
    ["SIGKILL!", "start", "stop"],
  );
  assert.deepEqual([lanes[0]?.marks[0]?.violating, lanes[1]?.marks[0]?.violating, toMs], [true, false, 60]);
});

test("a start ends no time of being down, nor does what was refused, or was answered by the life before", () => {
  const crash = (atMs: number): Partial<HistoryEvent> => ({ kind: "crash", atMs, detail: "" });
  const open = (atMs: number): Partial<HistoryEvent> => ({ kind: "open", atMs, detail: "" });
  const produce = (atMs: number, outcome: "ok" | "fail" | "info", invokedAt: number): Partial<HistoryEvent> => ({
    ...{ kind: "produce", atMs, log: "t-0", process: "p", outcome, invokedAt },
  });
  const answered = timelineOf([
    crash(10),
    // Heard late.
    produce(11, "ok", 0),
    open(20),
    produce(21, "ok", 0),
    produce(30, "fail", 3),
    // It ended before it had answered, and was started again.
    crash(40),
    open(50),
    produce(60, "info", 4),
    { kind: "topics", atMs: 70, ids: [], invokedAt: 7 },
    produce(80, "ok", 8),
  ]);
  assert.deepEqual(answered.bands, [{ fromMs: 10, toMs: 70 }]);
  const { bands } = timelineOf([crash(10), open(20), produce(90, "info", 1)]);
  assert.deepEqual(bands, [{ fromMs: 10, toMs: 90 }], "one that never answers is down to the end");
});

const spans = fc.array(fc.tuple(fc.nat(1000), fc.nat(100)), { maxLength: 60 }).map((drawn): Lane => {
  const marks = drawn
    .map(([endMs, length], position) => ({
      ...{ position, startMs: Math.max(0, endMs - length), endMs, outcome: "ok" as const, violating: false },
    }))
    .sort((one, other) => one.endMs - other.endMs);
  const longestMs = marks.reduce((longest, { startMs, endMs }) => Math.max(longest, endMs - startMs), 0);
  return { group: "g", name: "n", marks, longestMs };
});

test("the marks of a stretch and the nearest mark are those that a plain search finds", () => {
  fc.assert(
    fc.property(spans, fc.nat(1000), fc.nat(300), (lane, fromMs, length) => {
      const toMs = fromMs + length;
      assert.deepEqual(
        marksWithin(lane, fromMs, toMs),
        lane.marks.filter(({ startMs, endMs }) => endMs >= fromMs && startMs <= toMs),
      );
      const distance = ({ startMs, endMs }: { startMs: number; endMs: number }): number =>
        Math.max(0, startMs - fromMs, fromMs - endMs);
      const nearest = nearestMark(lane, fromMs);
      const best = Math.min(...lane.marks.map(distance));
      assert.equal(nearest === null ? Number.POSITIVE_INFINITY : distance(nearest), best);
    }),
  );
});
