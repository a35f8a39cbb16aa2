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
    { kind: "epochs", batches: [{ offset: 2, written: 1, told: 1 }] },
    described(5, { logStartOffset: 2, state: "online", sound: true }),
    { kind: "verified", findings: [] },
  );
  assert.deepEqual(judge(good).violations, []);
});

test("a share is given on when its owner gave it up, or was silent for long enough", () => {
  const heard = { kind: "heard", group: "g", member: "a", sentMs: 0, patienceMs: 20 };
  const first = assigned("a", 1, { protocol: "consumer" });
  const next = assigned("b", 2, { protocol: "consumer" });
  for (const events of [
    [first, { ...assigned("a", 2, { protocol: "consumer" }), partitions: [] }, heard, next],
    [first, { kind: "revoke", group: "g", member: "a", generation: 1, partitions: [log] }, heard, next],
    [first, heard, next],
    // An answer to what was asked before the other was told: it was held up, and says what has passed.
    [first, { ...heard, sentMs: 19 }, { ...next, invokedAt: 0 }],
  ])
    assert.deepEqual(judge(history(...events)).violations, []);
});

test("a commit that was sent right before an answer may be what is answered", () => {
  const answered = { kind: "committed", group: "g", offset: 1 };
  const good = history(produced(["p.0", "p.1"], 0), answered, committed("a", 1, 1, { invokedAt: 1 }));
  assert.deepEqual(judge(good).violations, []);
  const early = history(produced(["p.0", "p.1"], 0), answered, committed("a", 1, 1, { invokedAt: 2 }));
  assert.match(judge(early).violations[0]?.message ?? "", /nobody of g had committed 1/);
});

test("what compaction may leave alone is no second record of a key", () => {
  const good = history(
    { kind: "policy", compact: true, deleteRetentionMs: 1000 },
    keyed("k", "p.0", 0),
    keyed("k", "p.1", 1),
    { kind: "compacted", below: 1 },
    auditOf([0, "k", "p.0"], [1, "k", "p.1"]),
  );
  assert.deepEqual(judge(good).violations, []);
});

const compacted: Sketch = { kind: "policy", compact: true, deleteRetentionMs: 1000 };

function keyed(key: string, value: string, offset: number, tombstone = false): Sketch {
  return produced([value], offset, { records: [{ value, timestamp: now, key, tombstone }] });
}

function auditOf(...records: readonly (readonly [offset: number, key: string, value: string])[]): Sketch {
  const end = Math.max(...records.map(([offset]) => offset)) + 1;
  return read([], {
    records: records.map(([offset, key, value]) => ({ offset, key, value, timestamp: now })),
    highWatermark: end,
    nextOffset: end,
  });
}

function assigned(member: string, generation: number, more: Record<string, unknown> = {}): Sketch {
  return { kind: "assign", group: "g", member, generation, partitions: [log], ...more };
}

function delivered(member: string, generation: number, from: number, values: readonly string[]): Sketch {
  return read(values, {
    ...{ manner: "group", process: member, group: "g", member, generation, from },
    ...{ logStartOffset: 0, highWatermark: 4 },
  });
}

function committed(member: string, generation: number, offset: number, more: Record<string, unknown> = {}): Sketch {
  return { kind: "commit", group: "g", member, generation, offset, outcome: "ok", ...more };
}

function answered(offset: number): Sketch {
  return { kind: "committed", group: "g", offset };
}

/** A member that was given two records and committed them. */
const consumed: readonly Sketch[] = [
  produced(["p.0", "p.1", "p.2", "p.3"], 0),
  assigned("a", 1),
  delivered("a", 1, 0, ["p.0", "p.1"]),
  committed("a", 1, 2),
];

test("groups and compaction as they should be break nothing", () => {
  const good = history(
    ...consumed,
    answered(2),
    assigned("a", 2),
    committed("a", 1, 3, { outcome: "fail", code: "ILLEGAL_GENERATION" }),
    delivered("a", 2, 2, ["p.2"]),
    committed("a", 2, 3, { outcome: "info" }),
    { kind: "revoke", group: "g", member: "a", generation: 2, partitions: [log] },
    crash,
    open,
    assigned("b", 3),
    // Either of the two, after no answer.
    delivered("b", 3, 3, ["p.3"]),
    committed("b", 3, 4),
    answered(4),
    read(["p.0", "p.1", "p.2", "p.3"]),
  );
  assert.deepEqual(judge(good).violations, []);
  const cleaned = history(
    compacted,
    keyed("k", "p.0", 0),
    keyed("k", "p.1", 1),
    keyed("j", "p.2", 2),
    auditOf([1, "k", "p.1"], [2, "j", "p.2"]),
    keyed("j", "p.3", 3, true),
    keyed("i", "p.4", 4),
    { ...auditOf([1, "k", "p.1"], [4, "i", "p.4"]), atMs: 5000 },
  );
  assert.deepEqual(judge(cleaned).violations, []);
  const goneWithItsTombstone = history(
    compacted,
    keyed("k", "p.0", 0),
    {
      ...produced(["p.1"], 1, { acks: "leader" }),
      records: [{ value: "p.1", timestamp: now, key: "k", tombstone: true }],
    },
    keyed("j", "p.2", 2),
    auditOf([2, "j", "p.2"]),
  );
  assert.deepEqual(judge(goneWithItsTombstone).violations, []);
  const compactedBeforeTheLookUp = history(
    compacted,
    keyed("k", "p.0", 0),
    keyed("k", "p.1", 1),
    auditOf([0, "k", "p.0"], [1, "k", "p.1"]),
    { kind: "look up", timestamp: now, offset: 1, recordTimestamp: now },
  );
  assert.deepEqual(judge(compactedBeforeTheLookUp).violations, []);
  const passedOver = judge(
    history(compacted, keyed("k", "p.0", 0), keyed("j", "p.1", 1), auditOf([0, "k", "p.0"], [1, "j", "p.1"]), {
      kind: "look up",
      timestamp: now,
      offset: 1,
      recordTimestamp: now,
    }),
  );
  assert.match(passedOver.violations[0]?.invariant ?? "", /look-up by time/);
  const replacedByWhatHadNoAnswer = history(
    compacted,
    keyed("k", "p.0", 0, true),
    {
      ...produced(["p.1"], 1, { outcome: "info", offsets: undefined }),
      records: [{ value: "p.1", timestamp: now, key: "k" }],
    },
    auditOf([1, "k", "p.1"]),
  );
  assert.deepEqual(judge(replacedByWhatHadNoAnswer).violations, []);
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
    /at or above the high watermark/,
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
  [
    "an acknowledged record that nobody reads",
    history(produced(["p.0", "p.1", "p.2"], 0), read(["p.0", null, "p.2"])),
    /was read by someone/,
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
    "an epoch that its batch does not carry",
    history({ kind: "epochs", batches: [{ offset: 0, written: 1, told: -1 }] }),
    /leader epoch told for an offset/,
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
  [
    "a read below the log start",
    history(
      produced(["p.0", "p.1"], 0),
      { kind: "delete records", before: 1, outcome: "ok", logStartOffset: 1 },
      read(["p.0", "p.1"]),
    ),
    /is not read again/,
  ],
  [
    "a key's last value gone",
    history(
      compacted,
      keyed("k", "p.0", 0),
      keyed("k", "p.1", 1),
      keyed("j", "p.2", 2),
      auditOf([0, "k", "p.0"], [2, "j", "p.2"]),
    ),
    /latest committed value of a key/,
  ],
  [
    "a deleted key risen from the dead",
    history(
      compacted,
      keyed("k", "p.0", 0),
      keyed("k", "p.1", 1, true),
      keyed("j", "p.2", 2),
      auditOf([0, "k", "p.0"], [2, "j", "p.2"]),
    ),
    /latest committed value of a key/,
  ],
  [
    "an early tombstone",
    history(
      compacted,
      keyed("k", "p.0", 0),
      keyed("k", "p.1", 1, true),
      keyed("j", "p.2", 2),
      auditOf([2, "j", "p.2"]),
    ),
    /a tombstone stays/,
  ],
  [
    "an order changed by compaction",
    history(compacted, keyed("k", "p.0", 0), keyed("j", "p.1", 1), auditOf([1, "j", "p.1"], [0, "k", "p.0"])),
    /no offset and no order/,
  ],
  [
    "a refusal though the log ended there",
    history(
      produced(["p.0"], 0),
      produced(["c.0"], 1, { expectedEndOffset: 1, outcome: "fail", code: "OFFSET_MISMATCH", offsets: undefined }),
      produced(["p.1"], 1),
    ),
    /conditional append/,
  ],
  ["two owners", history(assigned("a", 1), assigned("b", 1)), /one owner in a generation/],
  ["a stale commit", history(assigned("a", 1), assigned("b", 2), committed("a", 1, 5)), /stale generation is refused/],
  [
    "a member's commit in an epoch of before",
    history(
      assigned("a", 1, { protocol: "consumer" }),
      assigned("a", 2, { protocol: "consumer" }),
      committed("a", 1, 5),
    ),
    /stale generation is refused/,
  ],
  ["a commit lost", history(assigned("a", 1), committed("a", 1, 5), answered(-1)), /acknowledged commit survives/],
  [
    "a commit come back",
    history(assigned("a", 1), committed("a", 1, 5), committed("a", 1, 6), answered(5)),
    /acknowledged commit survives/,
  ],
  ["a commit of nobody", history(assigned("a", 1), committed("a", 1, 5), answered(4)), /acknowledged commit survives/],
  [
    "a new owner who begins too early",
    history(...consumed, assigned("b", 2), delivered("b", 2, 1, ["p.1"])),
    /starts at the last commit/,
  ],
  [
    "a new owner who begins too late",
    history(...consumed, assigned("b", 2), delivered("b", 2, 3, ["p.3"])),
    /starts at the last commit/,
  ],
  [
    "a delivery after revocation",
    history(
      ...consumed,
      { kind: "revoke", group: "g", member: "a", generation: 1, partitions: [log] },
      delivered("a", 1, 2, ["p.2"]),
    ),
    /nothing of a partition is delivered/,
  ],
  [
    "a delivery to a stranger",
    history(...consumed, delivered("z", 1, 2, ["p.2"])),
    /nothing of a partition is delivered/,
  ],
  ["a member that skips", history(...consumed, delivered("a", 1, 3, ["p.3"])), /neither skips nor repeats/],
  ["a member that repeats", history(...consumed, delivered("a", 1, 1, ["p.1"])), /neither skips nor repeats/],
  [
    "a commit of what nobody was given",
    history(...consumed, committed("a", 1, 4)),
    /was delivered to its members, without a gap/,
  ],
  [
    "a partition given away while its owner is heard",
    history(
      assigned("a", 1, { protocol: "consumer" }),
      { kind: "heard", group: "g", member: "a", sentMs: 5, patienceMs: 4000 },
      assigned("b", 2, { protocol: "consumer" }),
    ),
    /while another member has it/,
  ],
  [
    "a log that is offline, and nobody damaged it",
    history(described(0, { state: "offline", sound: true })),
    /found whole/,
  ],
  ["a folder that was not left whole", history({ kind: "verified", findings: ["error gap events-0"] }), /found whole/],
  [
    "two records of a key after all was compacted",
    history(
      compacted,
      keyed("k", "p.0", 0),
      keyed("k", "p.1", 1),
      keyed("l", "p.2", 2),
      { kind: "compacted", below: 2 },
      auditOf([0, "k", "p.0"], [1, "k", "p.1"], [2, "l", "p.2"]),
    ),
    /a whole compaction leaves one record a key/,
  ],
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

test("a log that a crash has cut does not end where it did", () => {
  const refused = { process: "c", expectedEndOffset: 2, outcome: "fail", code: "OFFSET_MISMATCH" };
  const cut = history(
    produced(["p.0"], 0),
    produced(["q.0"], 1, { process: "q", acks: "leader" }),
    crash,
    open,
    described(1),
    produced(["c.0"], 0, refused),
    produced(["p.1"], 1),
    produced(["p.2"], 2),
    read(["p.0", "p.1", "p.2"]),
  );
  assert.deepEqual(judge(cut).violations, []);
});

test("a retry whose answer overtakes that of the first attempt was not sent last", () => {
  const more = { ...stamp(0), process: "i" };
  const overtaken = history(
    produced(["p.0"], 0),
    produced(["c.0"], 0, {
      process: "c",
      expectedEndOffset: 1,
      outcome: "fail",
      code: "OFFSET_MISMATCH",
      invokedAt: 1,
    }),
    produced(["i.0"], 1, { ...more, retry: true, invokedAt: 2 }),
    produced(["i.0"], 1, { ...more, invokedAt: 1 }),
    read(["p.0", "i.0"]),
  );
  assert.deepEqual(judge(overtaken).violations, []);
});

for (const [name, events, invariant] of broken) {
  test(`found: ${name}`, () => {
    const found = judge(events).violations.map((violation) => violation.invariant);
    assert.ok(
      found.some((one) => invariant.test(one)),
      `expected ${invariant}, found: ${found.join("; ")}`,
    );
  });
}

test("what a history does not show is not said to hold", () => {
  const verdict = judge(history(produced(["p.0"], 0), read(["p.0"])));
  assert.equal(verdict.holds, true);
  const passed = verdict.checked.map(({ invariant }) => invariant);
  const silent = verdict.notApplicable.map(({ invariant }) => invariant);
  assert.equal(passed.length + silent.length, invariants.length);
  for (const about of [/one \(partition, offset\)/, /outlives every crash/])
    assert.ok(
      passed.some((name) => about.test(name)),
      `${about}`,
    );
  for (const about of [/one owner/, /compaction/, /cursor/, /look-up/, /producer id/, /log start offset is not read/])
    assert.ok(
      silent.some((name) => about.test(name)),
      `${about}`,
    );
  assert.deepEqual(judge([]).checked, []);
});

test("a violation says where it is, and its first event is one of the history", () => {
  for (const [name, events] of broken) {
    for (const violation of judge(events).violations) {
      assert.ok(violation.events.length > 0, name);
      for (const index of violation.events) assert.ok(index >= 0 && index < events.length, name);
    }
  }
});

test("every invariant is shown to find something", () => {
  for (const { name } of invariants) {
    const shown = broken.some(
      ([, events, pattern]) =>
        pattern.test(name) && judge(events).violations.some((violation) => violation.invariant === name),
    );
    assert.ok(shown, `no history breaks: ${name}`);
  }
});
