import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Verdict } from "../checker/index.ts";
import type { HistoryEvent } from "../history.ts";
import { reportPage } from "./page.ts";
import { createReport, type HistoryBounds, type ReportSource } from "./report.ts";
import { createTimeline } from "./timeline.ts";

const read = (atMs: number, records: number): HistoryEvent => ({
  ...{ kind: "read", process: "r0", log: "t-0", manner: "fetch", from: 0, outcome: "ok", atMs, incarnation: 1 },
  invokedAt: 0,
  records: Array.from({ length: records }, (_, offset) => ({ offset, timestamp: 0, value: `v${offset}` })),
  ...{ logStartOffset: 0, highWatermark: records, nextOffset: records },
});
const crash = (atMs: number): HistoryEvent => ({
  kind: "crash",
  detail: "SIGKILL",
  atMs,
  incarnation: 1,
  invokedAt: 0,
});

function verdictOf(history: readonly HistoryEvent[], ...named: number[][]): Verdict {
  const violations = named.map((events) => ({
    invariant: "an invariant",
    source: "someone",
    message: "a message",
    events,
  }));
  return {
    holds: violations.length === 0,
    violations,
    events: history.length,
    operations: history.length,
    checked: [],
    notApplicable: [],
  };
}

function source(
  history: readonly HistoryEvent[],
  verdict = verdictOf(history),
  more: Partial<ReportSource> = {},
): ReportSource {
  return {
    ...{ target: "kafka://127.0.0.1:9092", seed: 7, startedAt: new Date(0), seconds: 1, verdict, history },
    ...{ tool: { moldau: "0", runtime: "node 0" }, command: "npx moldau check --seed 7", ...more },
  };
}

const bounds: HistoryBounds = { maxEvents: 1000, maxRecords: 10_000, maxViolations: 3 };

test("a short history is kept as it is", () => {
  const history = [read(1, 3), crash(2), read(3, 1)];
  const { history: kept } = createReport(source(history), bounds);
  assert.deepEqual(kept.events, history);
  assert.deepEqual([kept.indices, kept.total, kept.cut, kept.shortened], [[0, 1, 2], 3, null, {}]);
});

test("a long one keeps what is named, its surroundings and every fault, and says what is gone", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1200, max: 4000 }),
      fc.array(fc.nat(3999), { maxLength: 2 }),
      fc.array(fc.nat(3999), { maxLength: 5 }),
      (length, named, crashes) => {
        const at = new Set(crashes);
        const history = Array.from({ length }, (_, index) => (at.has(index) ? crash(index) : read(index, 1)));
        const events = named.filter((index) => index < length);
        const { history: kept } = createReport(source(history, verdictOf(history, events)), bounds);
        const indices = new Set(kept.indices);
        for (const index of events)
          for (let near = Math.max(0, index - 200); near <= Math.min(length - 1, index + 200); near++)
            assert.ok(indices.has(near), `${near}, beside ${index}`);
        for (const index of at) assert.ok(index >= length || indices.has(index), `the crash at ${index}`);
        assert.ok(kept.events.length <= bounds.maxEvents, `${kept.events.length} events`);
        assert.ok(kept.events.length >= bounds.maxEvents * 0.99, `only ${kept.events.length} events`);
        assert.match(kept.cut ?? "", new RegExp(`${length - kept.events.length} of the events`));
        kept.indices.forEach((index, position) => assert.equal(kept.events[position], history[index]));
        assert.deepEqual(
          [...kept.indices].sort((a, b) => a - b),
          kept.indices,
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("a long one keeps the first answer of each life, where a time of being down ends", () => {
  const lives = Array.from({ length: 9 }, (_, life) => 200 + 301 * life);
  const history = Array.from({ length: 3000 }, (_, index) => {
    const life = lives.find((from) => index >= from && index < from + 20);
    if (life === undefined) return { ...read(index, 1), invokedAt: index };
    if (index === life) return crash(index);
    if (index === life + 1) return { ...crash(index), kind: "open" } as HistoryEvent;
    return { ...read(index, 1), outcome: "info" } as HistoryEvent;
  });
  const report = createReport(source(history, verdictOf(history)), bounds);
  assert.ok(report.history.events.length < 1500);
  const { bands } = createTimeline(report);
  assert.deepEqual(
    bands.map(({ fromMs, toMs }) => [fromMs, toMs]),
    lives.map((from) => [history[from]?.atMs, history[from + 20]?.atMs]),
  );
});

test("the page says how long it took after each start until it answered", () => {
  const open = (index: number): HistoryEvent => ({ ...crash(index), kind: "open", detail: "started" }) as HistoryEvent;
  const answer = (index: number): HistoryEvent => ({ ...read(1000 * index, 1), invokedAt: index });
  const history = [crash(0), open(10), crash(20), open(500), answer(4), crash(5000), open(6000)];
  const page = reportPage(createReport(source(history)));
  const told = [...page.matchAll(/<th scope="row">start<\/th><td>([^<]*)</g)].map(([, detail]) => detail);
  assert.deepEqual(told, ["started, never answered", "started, first answer 3.50 s later", "started, never answered"]);
});

test("reads lose their middles when there are too many records, but not those that are named", () => {
  const history = Array.from({ length: 500 }, (_, index) => read(index, 100));
  const { history: kept } = createReport(source(history, verdictOf(history, [0])), bounds);
  const first = kept.events[0];
  const last = kept.events[499];
  assert.ok(first?.kind === "read" && last?.kind === "read");
  assert.equal(first.records.length, 100);
  assert.deepEqual(
    last.records.map(({ offset }) => offset),
    [0, 1, 98, 99],
  );
  assert.equal(kept.shortened[499], 100);
  assert.match(kept.cut ?? "", /the records in the middle of 299 reads/);
});

test("a read that a violation names keeps its beginning and its end, however long it is", () => {
  const history = [read(1, 10_000), read(2, 1)];
  const { history: kept } = createReport(source(history, verdictOf(history, [0])), bounds);
  const [named] = kept.events;
  assert.ok(named?.kind === "read");
  assert.deepEqual(
    [named.records.length, named.records.at(249)?.offset, named.records.at(250)?.offset],
    [500, 249, 9750],
  );
  assert.equal(kept.shortened[0], 10_000);
});

test("an operation was sent no earlier than the last answer before it", () => {
  const history = [read(10, 1), { ...read(20, 1), invokedAt: 1 }, { ...read(30, 1), invokedAt: 1 }];
  assert.deepEqual(createReport(source(history), bounds).history.sentMs, [0, 10, 10]);
});

test("violations are bounded, and the rest is counted", () => {
  const history = [read(1, 1)];
  const report = createReport(source(history, verdictOf(history, [0], [0], [0], [0], [0])), bounds);
  assert.equal(report.verdict.violations.length, 3);
  assert.deepEqual(report.notes, ["2 more violations are not listed."]);
});

test("what a log answers never becomes markup, and the page carries the whole report", () => {
  const evil = `</script><script>alert(1)</script>"'&<b>`;
  const history: HistoryEvent[] = [{ ...read(1, 0), process: evil } as HistoryEvent];
  const verdict: Verdict = {
    ...verdictOf(history),
    holds: false,
    violations: [{ invariant: evil, source: evil, message: evil, log: evil, events: [0] }],
    checked: [{ invariant: evil, source: evil, times: 1, violations: 1 }],
    notApplicable: [{ invariant: evil, source: evil, needs: evil }],
  };
  const report = createReport(
    source(history, verdict, { target: evil, command: evil, notes: [evil], coverage: { [evil]: 1 }, output: evil }),
  );
  const page = reportPage(report);
  assert.equal(page.match(/<script/g)?.length, 2);
  assert.ok(!page.includes("<b>"), "markup got through");
  const [, embedded] = /id="report">([^<]*)<\/script>/.exec(page) ?? [];
  assert.deepEqual(JSON.parse(embedded ?? ""), JSON.parse(JSON.stringify(report)));
});
