// Each invariant finds its violation in a history made by hand, and none finds fault with a
// good one: a checker that cannot fail proves nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistoryEvent } from "../history.ts";
import { invariants, judge } from "./index.ts";

const log = "events-0@aaaaaa";
const now = 1_767_225_600_000;

/** What a test writes: the rest is filled in. */
type Sketch = Record<string, unknown> & { readonly kind: string };

function history(...sketches: readonly Sketch[]): HistoryEvent[] {
  let incarnation = 1;
  return sketches.map((sketch, index) => {
    if (sketch.kind === "open") incarnation++;
    const common = { atMs: index * 10, incarnation, invokedAt: index, log };
    return { ...common, ...sketch } as unknown as HistoryEvent;
  });
}

function produced(values: readonly string[], first: number, more: Record<string, unknown> = {}): Sketch {
  return {
    kind: "produce",
    process: values[0]?.split(".")[0],
    acks: "all",
    records: values.map((value) => ({ value, timestamp: now })),
    outcome: "ok",
    offsets: values.map((_, index) => first + index),
    ...more,
  };
}

function read(values: readonly (string | null)[], more: Record<string, unknown> = {}): Sketch {
  const from = (more["from"] as number | undefined) ?? 0;
  const records = values.flatMap((value, index) =>
    value === null ? [] : [{ offset: from + index, value, timestamp: now }],
  );
  const end = from + values.length;
  return {
    kind: "read",
    process: "auditor",
    manner: "audit",
    from,
    outcome: "ok",
    records,
    logStartOffset: from,
    highWatermark: end,
    nextOffset: end,
    ...more,
  };
}

function described(highWatermark: number, more: Record<string, unknown> = {}): Sketch {
  return {
    kind: "describe",
    state: "online",
    logStartOffset: 0,
    lastStableOffset: highWatermark,
    highWatermark,
    logEndOffset: highWatermark,
    segments: 1,
    quiet: true,
    ...more,
  };
}

const crash: Sketch = { kind: "crash", detail: "" };
const open: Sketch = { kind: "open", detail: "" };
const stamp = (sequence: number, epoch = 0): Record<string, unknown> => ({ producer: { id: 7, epoch, sequence } });

test("a good history breaks nothing", () => {
  const good = history(
    { kind: "create topic", topic: "events", id: "aaaaaa", outcome: "ok" },
    produced(["p.0", "p.1"], 0),
    produced(["i.0"], 2, stamp(2 ** 31 - 1)),
    produced(["i.1"], 3, stamp(0)),
    produced(["p.2"], 4, { acks: "leader" }),
    read(["p.0", "p.1", "i.0", "i.1"]),
    crash,
    open,
    described(4),
    { kind: "topics", ids: ["aaaaaa"] },
    produced(["i.1"], 3, { ...stamp(0), retry: true, duplicate: true }),
    produced(["p.3"], 4),
    { kind: "delete records", before: 2, outcome: "ok", logStartOffset: 2 },
    read(["i.0", "i.1", "p.3"], { from: 2 }),
    { kind: "look up", timestamp: now, offset: 2, recordTimestamp: now },
  );
  assert.deepEqual(judge(good).violations, []);
});

const segments = [
  { baseOffset: 0, nextOffset: 2, sizeBytes: 100, maxTimestamp: now - 1000 },
  { baseOffset: 2, nextOffset: 4, sizeBytes: 100, maxTimestamp: now - 1000 },
  { baseOffset: 4, nextOffset: 5, sizeBytes: 50, maxTimestamp: now },
];
const pass = {
  kind: "retention",
  outcome: "ok",
  alone: true,
  nowMs: now,
  retentionMs: 500,
  retentionBytes: -1,
  segments,
  logStartOffset: 0,
  highWatermark: 5,
};

const broken: readonly (readonly [name: string, history: HistoryEvent[], invariant: RegExp])[] = [
  [
    "an offset changes its value",
    history(produced(["p.0"], 0), read(["q.0"])),
    /one \(partition, offset\) holds one value/,
  ],
  [
    "a read changes its value over a crash",
    history(read(["p.0"]), crash, open, described(1), read(["q.0"])),
    /one \(partition, offset\) holds one value/,
  ],
  ["a value twice", history(produced(["p.0"], 0), read(["p.0", "p.0"])), /one value is stored at one offset/],
  ["a phantom", history(read(["x.0"])), /what is read was sent/],
  [
    "another timestamp",
    history(produced(["p.0"], 0, { records: [{ value: "p.0", timestamp: now - 1 }] }), read(["p.0"])),
    /what is read was sent/,
  ],
  [
    "half a batch",
    history(produced(["i.0", "i.1"], 0, { ...stamp(0), outcome: "info", offsets: undefined }), read(["i.0"])),
    /what is read was sent/,
  ],
  ["a gap", history(produced(["p.0", "p.1", "p.2"], 0), read(["p.0", null, "p.2"])), /offsets are dense/],
  [
    "an audit that ends early",
    history(produced(["p.0", "p.1"], 0), read(["p.0"], { highWatermark: 2 })),
    /offsets are dense/,
  ],
  [
    "a read past the high watermark",
    history(produced(["p.0"], 0), read(["p.0"], { highWatermark: 0 })),
    /offsets are dense/,
  ],
  [
    "sends in another order",
    history(produced(["p.0"], 1), produced(["p.1"], 0), read(["p.1", "p.0"])),
    /order of sending/,
  ],
  [
    "a cursor that skips",
    history(
      produced(["p.0", "p.1"], 0),
      read(["p.0"], { manner: "cursor", process: "f", highWatermark: 2 }),
      read(["p.1"], { manner: "cursor", process: "f", from: 2, highWatermark: 3 }),
    ),
    /cursor never skips/,
  ],
  [
    "a cursor that repeats",
    history(
      produced(["p.0"], 0),
      read(["p.0"], { manner: "cursor", process: "f" }),
      read(["p.0"], { manner: "cursor", process: "f" }),
    ),
    /cursor never skips/,
  ],
  ["a watermark beyond the end", history(described(3, { logEndOffset: 2 })), /logStartOffset <= /],
  ["a watermark that goes back", history(described(3), described(2)), /never go back/],
  [
    "a log start that goes back",
    history({ kind: "delete records", before: 2, outcome: "ok", logStartOffset: 2 }, described(3)),
    /never go back/,
  ],
  [
    "an acknowledged record lost",
    history(produced(["p.0", "p.1"], 0), crash, open, described(1)),
    /outlives every crash/,
  ],
  [
    "a read record lost",
    history(produced(["p.0"], 0, { acks: "leader" }), read(["p.0"]), crash, open, described(0)),
    /outlives every crash/,
  ],
  [
    "acknowledged before it is readable",
    history(produced(["p.0"], 0), described(0, { logEndOffset: 1, quiet: false })),
    /below the high watermark/,
  ],
  [
    "a topic lost",
    history({ kind: "create topic", topic: "t", id: "b", outcome: "ok" }, crash, open, { kind: "topics", ids: [] }),
    /creation was acknowledged/,
  ],
  [
    "a topic risen from the dead",
    history(
      { kind: "create topic", topic: "t", id: "b", outcome: "ok" },
      { kind: "delete topic", topic: "t", id: "b", outcome: "ok" },
      { kind: "topics", ids: ["b"] },
    ),
    /creation was acknowledged/,
  ],
  ["unreadable for ever", history(described(0, { logEndOffset: 1 })), /everything written becomes readable/],
  ["no answer", history({ kind: "stuck", detail: "no answer" }), /everything written becomes readable/],
  ["retention of more than is named", history(pass, described(5, { logStartOffset: 5 })), /moves only as far as/],
  ["a log start that nobody asked for", history(described(5, { logStartOffset: 1 })), /moves only as far as/],
  [
    "retention that does not happen",
    history(pass, { kind: "segments", logStartOffset: 2, segments: segments.slice(1) }),
    /what the policy names is deleted/,
  ],
  [
    "retention into a segment",
    history(pass, { kind: "segments", logStartOffset: 3, segments: segments.slice(1) }),
    /what the policy names is deleted/,
  ],
  [
    "a file left behind",
    history(pass, { kind: "segments", logStartOffset: 4, segments: segments.slice(1) }),
    /what the policy names is deleted/,
  ],
  [
    "a file too many gone",
    history(pass, { kind: "segments", logStartOffset: 4, segments: [] }),
    /what the policy names is deleted/,
  ],
  [
    "a gap in the sequences",
    history(produced(["i.0"], 0, stamp(0)), produced(["i.1"], 1, stamp(2)), read(["i.0", "i.1"])),
    /without a gap/,
  ],
  [
    "an older epoch",
    history(produced(["i.0"], 0, stamp(0, 1)), produced(["i.1"], 1, stamp(0, 0)), read(["i.0", "i.1"])),
    /without a gap/,
  ],
  [
    "a wrap to 1",
    history(produced(["i.0"], 0, stamp(2 ** 31 - 1)), produced(["i.1"], 1, stamp(1)), read(["i.0", "i.1"])),
    /without a gap/,
  ],
  [
    "a retry with another offset",
    history(produced(["i.0"], 0, stamp(0)), produced(["i.0"], 1, { ...stamp(0), retry: true })),
    /answered with the first offset/,
  ],
  [
    "a retry refused",
    history(
      produced(["i.0"], 0, stamp(0)),
      produced(["i.0"], 0, { ...stamp(0), retry: true, outcome: "fail", code: "OUT_OF_ORDER_SEQUENCE_NUMBER" }),
    ),
    /answered with the first offset/,
  ],
  [
    "the next one refused at the wrap",
    history(
      produced(["i.0"], 0, stamp(2 ** 31 - 1)),
      produced(["i.1"], 1, { ...stamp(0), outcome: "fail", code: "OUT_OF_ORDER_SEQUENCE_NUMBER" }),
    ),
    /is not refused for its sequence/,
  ],
  [
    "a producer id twice",
    history({ kind: "allocate producer", outcome: "ok", producerId: 5 }, crash, open, {
      kind: "allocate producer",
      outcome: "ok",
      producerId: 5,
    }),
    /handed out twice/,
  ],
  [
    "a look-up too late",
    history(produced(["p.0", "p.1"], 0), read(["p.0", "p.1"]), {
      kind: "look up",
      timestamp: now,
      offset: 1,
      recordTimestamp: now,
    }),
    /look-up by time/,
  ],
  [
    "a look-up in vain",
    history(produced(["p.0"], 0), read(["p.0"]), {
      kind: "look up",
      timestamp: now,
      offset: null,
      recordTimestamp: null,
    }),
    /look-up by time/,
  ],
  [
    "a failure that wrote",
    history(produced(["p.0"], 0, { outcome: "fail", code: "KAFKA_STORAGE_ERROR" }), read(["p.0"])),
    /effect 'none' is never read/,
  ],
  ["a conditional append elsewhere", history(produced(["p.0"], 1, { expectedEndOffset: 0 })), /conditional append/],
  ["bytes lent twice", history({ kind: "lent", from: 0, intact: false }), /lent to a reader/],
  [
    "a conditional append refused for nothing",
    history(
      described(1),
      produced(["p.0"], 0, { expectedEndOffset: 1, outcome: "fail", code: "OFFSET_MISMATCH" }),
      described(1),
    ),
    /conditional append/,
  ],
];

for (const [name, events, invariant] of broken) {
  test(`found: ${name}`, () => {
    const found = judge(events).violations.map((violation) => violation.invariant);
    assert.ok(
      found.some((one) => invariant.test(one)),
      `expected ${invariant}, found: ${found.join("; ")}`,
    );
  });
}

test("every invariant is shown to find something", () => {
  for (const { name } of invariants) {
    const shown = broken.some(
      ([, events, pattern]) =>
        pattern.test(name) && judge(events).violations.some((violation) => violation.invariant === name),
    );
    assert.ok(shown, `no history breaks: ${name}`);
  }
});
