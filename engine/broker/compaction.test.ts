// Compaction as a broker does it: when, at what pace, what it refuses, and what it leaves behind.

import assert from "node:assert/strict";
import test from "node:test";
import { MoldauError } from "../errors.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { StorageError } from "../port/storage.ts";
import type { StorageOperation } from "../port/storage-operation.ts";
import type { Decompressor } from "../port/world.ts";
import { type MemoryStorage, memoryStorage } from "../storage/memory.ts";
import { readFile } from "../storage/read-file.ts";
import { verifyDataFolder } from "./inspect/verify-data-folder.ts";
import { openBroker } from "./open.ts";
import type { Broker, BrokerOptions, CompactionSummary, ConfigInput, RecordInput } from "./types.ts";
import { drain, ManualClock, type TestWorld, testWorld } from "./world.test.support.ts";

const kernel = createTwinKernel();
const code = (expected: string) => (error: unknown) => error instanceof MoldauError && error.code === expected;
const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : new TextDecoder().decode(bytes));
const day = 86_400_000;

/** gzip of these tests: every byte turned over. */
const turned: Decompressor = {
  decompress: (_, bytes, maxBytes) => {
    if (bytes.length > maxBytes) throw new Error("too many bytes");
    if (bytes[0] === 0) throw new Error("no such format");
    return bytes.map((byte) => byte ^ 0xff);
  },
};

interface Opened {
  readonly broker: Broker;
  readonly storage: MemoryStorage;
  readonly clock: ManualClock;
  readonly world: TestWorld;
}

const compactedConfigs = { "cleanup.policy": "compact", "segment.bytes": 400, "min.cleanable.dirty.ratio": 0 };

async function opened(
  configs: ConfigInput = {},
  more: Partial<Omit<BrokerOptions, "clock">> = {},
  storage: MemoryStorage = memoryStorage(),
  clock: ManualClock = new ManualClock(),
): Promise<Opened> {
  const world = { ...testWorld(storage, clock), decompressor: turned, compactionCheckIntervalMs: Infinity, ...more };
  const broker = await openBroker(world);
  await broker.createTopic("t", { configs: { ...compactedConfigs, ...configs } });
  return { broker, storage, clock, world };
}

/** Lets time pass until it is over: a pass rests between its slices. */
async function during<Result>(clock: ManualClock, work: Promise<Result>): Promise<Result> {
  let over = false;
  work.then(
    () => (over = true),
    () => (over = true),
  );
  await drain();
  for (let turn = 0; !over; turn += 1) {
    assert.ok(turn < 10_000, "it does not end");
    await clock.advance(1);
  }
  return work;
}

const compact = ({ broker, clock }: Opened): Promise<CompactionSummary> => during(clock, broker.runCompaction());

async function put({ broker }: Opened, ...records: readonly RecordInput[]): Promise<void> {
  for (const record of records) {
    const [result] = await broker.produce("t", [record]);
    assert.ok(result !== undefined && !("error" in result), JSON.stringify(result));
  }
}

const filler = "x".repeat(150);

async function all(broker: Broker): Promise<[number, string | null, string | null][]> {
  const found: [number, string | null, string | null][] = [];
  for await (const { offset, key, value } of broker.read("t")) found.push([offset, text(key), text(value)]);
  return found;
}

async function names(storage: MemoryStorage): Promise<string[]> {
  return (await storage.list("t-0")).map(({ name }) => name).sort();
}

function batch(
  records: readonly { key: string | null; value?: string | null }[],
  codec = 0,
  attributes = 0,
): Uint8Array {
  const utf8 = new TextEncoder();
  const bytes = kernel
    .encodeBatch(
      records.map(({ key, value = "v" }) => ({
        key: key === null ? null : utf8.encode(key),
        value: value === null ? null : utf8.encode(value),
        headers: [],
        timestamp: 1_700_000_000_000,
      })),
    )
    .slice();
  if (codec !== 0)
    bytes.set(
      bytes.slice(61).map((byte) => byte ^ 0xff),
      61,
    );
  return sealed(bytes, codec | attributes);
}

function sealed(bytes: Uint8Array, attributes: number): Uint8Array {
  const view = new DataView(bytes.buffer);
  view.setInt16(21, attributes);
  view.setUint32(17, kernel.crc32c(bytes.subarray(21)));
  return bytes;
}

test("a compacted topic refuses what it could not compact, at the door", async () => {
  const { broker } = await opened();
  const append = (bytes: Uint8Array): Promise<unknown> => broker.appendBatches("t", 0, bytes);
  await assert.rejects(append(batch([{ key: "a" }, { key: null }])), /record 1 of a batch has no key/);
  await assert.rejects(append(batch([{ key: "a" }, { key: null }])), code("INVALID_RECORD"));
  await assert.rejects(append(batch([{ key: "a" }, { key: null }], 1)), code("INVALID_RECORD"));
  const [produced] = await broker.produce("t", [{ value: "no key" }]);
  assert.ok(produced !== undefined && "error" in produced && produced.error.code === "INVALID_RECORD");

  const two = batch([{ key: "a" }, { key: "b" }], 1);
  new DataView(two.buffer).setInt32(57, 1);
  new DataView(two.buffer).setInt32(23, 0);
  await assert.rejects(append(sealed(two, 1)), /does not hold the 1 records/);
  const broken = batch([{ key: "a" }], 1);
  broken[61] = 0;
  await assert.rejects(append(sealed(broken, 1)), /cannot be opened for its keys \(gzip\): no such format/);
  await assert.rejects(append(batch([{ key: "a" }], 0, 64)), /delete horizon/);
  assert.deepEqual(broker.offsets("t", 0), { earliest: 0, latest: 0 }, "nothing of it was appended");

  await append(batch([{ key: "" }, { key: "b" }], 1));
  await append(batch([{ key: "c", value: null }]));
  assert.deepEqual(await all(broker), [
    [0, "", "v"],
    [1, "b", "v"],
    [2, "c", null],
  ]);
  await broker.close();

  const without = await opened({}, { decompressor: undefined } as unknown as BrokerOptions);
  await assert.rejects(
    without.broker.appendBatches("t", 0, batch([{ key: "a" }], 1)),
    code("UNSUPPORTED_COMPRESSION_TYPE"),
  );
  await without.broker.createTopic("plain");
  await without.broker.appendBatches("plain", 0, batch([{ key: null }], 1));
  await without.broker.close();
});

test("the latest value of every key stays, at its offset; readers pass over the gaps", async () => {
  const it = await opened();
  const { broker } = it;
  for (let round = 0; round < 5; round += 1) {
    await put(it, { key: "a", value: `a${round}${filler}` }, { key: "b", value: `b${round}` });
  }
  const before = broker.describeTopic("t").partitions[0];
  const summary = await compact(it);
  assert.equal(summary.passes, 1);
  assert.ok(summary.recordsRemoved >= 6 && summary.bytesRead > summary.bytesWritten);
  assert.ok(summary.segmentsBefore > 1 && summary.segmentsAfter > 0);
  const kept = await all(broker);
  assert.ok(kept.length < 10);
  assert.deepEqual(
    kept.slice(-2).map(([offset]) => offset),
    [8, 9],
  );
  const after = broker.describeTopic("t").partitions[0];
  assert.ok((after?.sizeBytes ?? 0) < (before?.sizeBytes ?? 0));
  assert.equal(after?.logEndOffset, 10);
  assert.equal(after?.logStartOffset, 0);
  // From an offset that is not there any more the next record comes.
  for (let offset = 0; offset <= 10; offset += 1) {
    const found: number[] = [];
    for await (const record of broker.read("t", { from: offset })) found.push(record.offset);
    assert.deepEqual(
      found,
      kept.map(([one]) => one).filter((one) => one >= offset),
    );
  }
  const { compactions, recordsCompacted, compactionBytesRead, compactionBytesWritten } = broker.metrics();
  assert.deepEqual(
    [compactions, recordsCompacted, compactionBytesRead, compactionBytesWritten],
    [1, summary.recordsRemoved, summary.bytesRead, summary.bytesWritten],
  );
  assert.deepEqual((await compact(it)).passes, 0, "what is clean is left alone");
  await broker.close();
});

test("a segment of which everything stays is not written anew", async () => {
  const it = await opened({ "segment.bytes": 300 });
  for (const key of ["a", "b", "c", "d"]) await put(it, { key, value: filler });
  const summary = await compact(it);
  assert.deepEqual(
    [summary.passes, summary.recordsRemoved, summary.bytesWritten, summary.segmentsBefore],
    [1, 0, 0, 0],
  );
  await it.broker.close();
});

test("tombstones stay for delete.retention.ms from the first pass, and go by themselves", async () => {
  const it = await opened({ "delete.retention.ms": 5 * day });
  const { broker, clock } = it;
  await put(
    it,
    { key: "a", value: filler },
    { key: "a", value: null },
    { key: "b", value: filler },
    { key: "b", value: filler },
  );
  clock.wallMs += 30 * day; // before its first pass no time counts
  await compact(it);
  assert.deepEqual((await all(broker)).slice(0, 1), [[1, "a", null]]);
  clock.wallMs += 5 * day - 60_000;
  assert.equal((await compact(it)).recordsRemoved, 0);
  assert.deepEqual((await all(broker)).slice(0, 1), [[1, "a", null]]);
  clock.wallMs += 60_000;
  // Nothing was appended: the pass is made for the tombstone alone.
  const summary = await compact(it);
  assert.deepEqual([summary.passes, summary.recordsRemoved], [1, 1]);
  assert.ok((await all(broker)).every(([, key]) => key === "b"));
  assert.equal((await compact(it)).passes, 0);
  await broker.close();
});

test("compaction begins by the ratio, waits for the least lag, and does not exceed the most", async () => {
  const it = await opened({ "min.cleanable.dirty.ratio": 0.5, "segment.bytes": 1000 });
  const { broker, clock } = it;
  const some = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at += 1) await put(it, { key: `k${at}`, value: filler, timestamp: clock.now() });
  };
  await some(10);
  assert.equal((await compact(it)).passes, 1, "all of it is dirty");
  await some(5);
  assert.equal((await compact(it)).passes, 0, "less than half is dirty");
  await broker.alterTopic("t", { configs: { "min.cleanable.dirty.ratio": 0.2, "min.compaction.lag.ms": 60_000 } });
  assert.equal((await compact(it)).passes, 0, "it is too young");
  clock.wallMs += 60_001;
  assert.equal((await compact(it)).passes, 1);

  await broker.alterTopic("t", { configs: { "min.cleanable.dirty.ratio": 1, "max.compaction.lag.ms": 100_000 } });
  await put(it, { key: "k0", value: "last", timestamp: clock.now() });
  clock.wallMs += 100_001;
  const { segments } = broker.describeTopic("t").partitions[0] as { segments: number };
  assert.ok((await compact(it)).passes > 0, "the active segment ended for it");
  assert.ok((await all(broker)).filter(([, key]) => key === "k0").every(([, , value]) => value === "last"));
  assert.ok(segments > 0);
  await broker.close();
});

test("the dirtiest log is compacted first, one at a time", async () => {
  const it = await opened();
  const { broker, world } = it;
  await broker.createTopic("u", { configs: compactedConfigs });
  await put(it, ...Array.from({ length: 12 }, (_, at) => ({ key: `k${at}`, value: filler })));
  await compact(it);
  await put(it, ...Array.from({ length: 6 }, (_, at) => ({ key: `k${at}`, value: filler })));
  for (let at = 0; at < 6; at += 1) await broker.produce("u", [{ key: "k", value: filler }]);
  const order: string[] = [];
  const { rename } = world.storage;
  world.storage.rename = async (from, to) => {
    if (to.endsWith(".log.swap")) order.push(to.slice(0, 3));
    return rename.call(world.storage, from, to);
  };
  assert.equal((await compact(it)).passes, 2);
  assert.deepEqual([...new Set(order)], ["u-0", "t-0"]);
  await broker.close();
});

test("a pass gives way after each slice, and rests as long as it has worked", async () => {
  const it = await opened({ "segment.bytes": 4_000_000, "max.message.bytes": 1_000_000 });
  const { broker, clock } = it;
  const value = "y".repeat(400_000);
  for (let at = 0; at < 24; at += 1) await put(it, { key: `k${at % 3}`, value });
  let ended = false;
  const running = broker.runCompaction().then((summary) => {
    ended = true;
    return summary;
  });
  let appended = 0;
  for (; !ended; appended += 1) {
    // As much is done in between as anybody likes.
    await put(it, { key: "other", value: "1" });
    await clock.advance(1);
  }
  const { bytesRead } = await running;
  assert.ok(bytesRead > 12_000_000);
  assert.ok(appended >= Math.floor(bytesRead / (2 * 1024 * 1024)), `${appended} turns for ${bytesRead} bytes`);
  await broker.close();
});

test("compaction runs by itself, and a stop ends it between two slices", async () => {
  const it = await opened({ "segment.bytes": 4_000_000 }, { compactionCheckIntervalMs: 15_000 });
  const { broker, clock } = it;
  const value = "y".repeat(400_000);
  for (let at = 0; at < 24; at += 1) await put(it, { key: "k", value });
  await clock.advance(14_999);
  assert.equal(broker.metrics().compactionBytesRead, 0);
  for (let turn = 0; broker.metrics().compactions === 0; turn += 1) {
    assert.ok(turn < 1000);
    await clock.advance(5);
  }
  for (let at = 0; at < 24; at += 1) await put(it, { key: "k", value });
  void broker.runCompaction().catch(() => {});
  await drain();
  await clock.advance(1);
  await broker.close();
  assert.equal(broker.metrics().compactions, 1);
});

test("what was replaced is kept for file.delete.delay.ms, for those who read it", async () => {
  const it = await opened({ "file.delete.delay.ms": 60_000 });
  const { broker, clock, storage } = it;
  for (let at = 0; at < 8; at += 1) await put(it, { key: "a", value: `${at}${filler}` });
  await compact(it);
  const left = (await names(storage)).filter((name) => name.endsWith(".deleted"));
  assert.ok(
    left.length > 2 && left.every((name) => /^\d{20}\.(log|index|timeindex)\.deleted$/.test(name)),
    left.join(),
  );
  await clock.advance(59_000);
  assert.ok((await names(storage)).some((name) => name.endsWith(".deleted")));
  await clock.advance(2_000);
  assert.deepEqual(
    (await names(storage)).filter((name) => /\.(deleted|swap|cleaned)$/.test(name)),
    [],
  );
  // And a stop takes what is left.
  for (let at = 0; at < 8; at += 1) await put(it, { key: "a", value: `${at}${filler}` });
  await compact(it);
  await broker.close();
  const reopened = storage.restart();
  assert.deepEqual(
    (await names(reopened)).filter((name) => /\.(deleted|swap|cleaned)$/.test(name)),
    [],
  );
});

test("a read under way while its segment is replaced and removed looks again", async () => {
  let hold: Promise<void> | null = null;
  const storage = memoryStorage();
  const it = await opened({ "file.delete.delay.ms": 0 }, {}, storage);
  const { broker, clock } = it;
  for (let at = 0; at < 8; at += 1) await put(it, { key: "a", value: `${at}${filler}` }, { key: `b${at}`, value: "1" });
  const expected = (await all(broker)).filter(([, key]) => key !== "a").map(([offset]) => offset);
  let release: () => void = () => {};
  const { open } = storage;
  // Every read of a .log waits until the exchange is over.
  storage.open = async (path) => open.call(storage, path);
  hold = new Promise((resolve) => {
    release = resolve;
  });
  const reads = [0, 3, 7].map(async (offset) => {
    await hold;
    return broker.fetchRecords("t", 0, { offset, maxBytes: 1 });
  });
  const looking = broker.offsetForTimestamp("t", 0, 0);
  await compact(it);
  release();
  for (const [at, read] of reads.entries()) {
    const { records } = await read;
    assert.ok((records[0]?.offset ?? -1) >= ([0, 3, 7][at] as number));
  }
  assert.ok((await looking).offset !== null);
  await clock.advance(10);
  const kept = (await all(broker)).filter(([, key]) => key !== "a").map(([offset]) => offset);
  assert.deepEqual(kept, expected);
  await broker.close();
});

test("with compact,delete old segments go as well; with compact alone they stay", async () => {
  for (const [policy, goes] of [
    ["compact,delete", true],
    ["compact", false],
  ] as const) {
    const it = await opened({ "cleanup.policy": policy, "retention.ms": day });
    const { broker, clock } = it;
    await put(it, ...["a", "b", "c", "d"].map((key) => ({ key, value: filler })));
    await compact(it);
    clock.wallMs += 2 * day;
    await put(it, { key: "e", value: filler }, { key: "f", value: filler });
    const removed = await during(clock, broker.runRetention());
    assert.equal(removed > 0, goes, policy);
    assert.equal(broker.offsets("t", 0).earliest > 0, goes, policy);
    assert.ok((await all(broker)).some(([, key]) => key === "f"));
    // Deleting records works either way.
    await during(clock, broker.deleteRecords("t", 0, -1));
    assert.deepEqual(await all(broker), []);
    await broker.close();
  }
});

test("a topic that stops being compacted keeps its gaps and takes records without a key", async () => {
  const it = await opened();
  const { broker, storage, clock } = it;
  for (let at = 0; at < 8; at += 1) await put(it, { key: "a", value: `${at}${filler}` });
  await compact(it);
  const kept = await all(broker);
  await broker.alterTopic("t", { configs: { "cleanup.policy": null } });
  await put(it, { value: "no key" });
  assert.equal((await compact(it)).passes, 0);
  await broker.close();
  const again = await openBroker(testWorld(storage.restart(), clock));
  assert.deepEqual(again.report.notes, []);
  assert.deepEqual((await all(again)).slice(0, kept.length), kept);
  await again.close();
});

test("records without a key, from before a topic was compacted, are taken", async () => {
  const it = await opened({ "cleanup.policy": "delete" });
  const { broker } = it;
  await put(it, { value: filler }, { key: "a", value: filler }, { value: filler }, { key: "b", value: filler });
  await broker.alterTopic("t", { configs: { "cleanup.policy": "compact" } });
  await put(it, { key: "c", value: filler }, { key: "d", value: filler });
  assert.ok((await compact(it)).recordsRemoved >= 2);
  assert.deepEqual(
    (await all(broker)).map(([, key]) => key),
    ["a", "b", "c", "d"],
  );
  await broker.close();
});

for (const [what, at, bits] of [
  ["a value", 100, 1],
  ["a header that says it is a transaction's", 22, 0x10],
] as const) {
  test(`a log that is damaged is said once, left alone, and loses nothing: ${what}`, async () => {
    const it = await opened();
    const { broker, storage, clock, world } = it;
    for (let at = 0; at < 8; at += 1) await put(it, { key: "a", value: `${at}${filler}` });
    await broker.close();
    const path = "t-0/00000000000000000000.log";
    const disk = storage.restart();
    const bytes = (await readFile(disk, path, 1 << 20)) as Uint8Array;
    bytes[at] = (bytes[at] as number) ^ bits;
    await disk.remove(path);
    const file = disk.create(path);
    file.append(bytes);
    await disk.sync([file]);
    await disk.syncDirectory("t-0");
    const before = await names(disk);
    const next = { ...world, storage: disk.restart(), said: [] as TestWorld["said"][number][] };
    const second = await openBroker({
      ...next,
      logger: { log: (level, message) => void next.said.push({ level, message }) },
    });
    const opening = { broker: second, storage: next.storage, clock, world: next };
    assert.equal((await compact(opening)).passes, 0);
    assert.equal((await compact(opening)).passes, 0);
    assert.equal(second.metrics().compactionFailures, 1);
    const said = next.said.filter(({ message }) => message.includes("cannot be compacted"));
    assert.equal(said.length, 1);
    assert.match(said[0]?.message ?? "", /does not match its CRC-32C/);
    assert.deepEqual(
      (await names(next.storage)).filter((name) => name.endsWith(".log")),
      before.filter((name) => name.endsWith(".log")),
    );
    assert.deepEqual(
      (await names(next.storage)).filter((name) => /\.(swap|cleaned|deleted)$/.test(name)),
      [],
    );
    await second.close();
  });
}

test("a full disk ends a pass and harms nothing; a later one succeeds", async () => {
  let full = false;
  const onOperation = ({ kind, paths }: StorageOperation): void => {
    if (full && kind === "append" && paths[0]?.endsWith(".cleaned") === true) {
      throw new StorageError("no-space", `${paths[0]}: the disk is full`);
    }
  };
  const it = await opened({}, {}, memoryStorage({ onOperation }));
  const { broker, storage } = it;
  for (let at = 0; at < 8; at += 1) await put(it, { key: "a", value: `${at}${filler}` });
  full = true;
  assert.equal((await compact(it)).passes, 0);
  assert.equal((await all(broker)).length, 8);
  assert.deepEqual(
    (await names(storage)).filter((name) => /\.(swap|cleaned|deleted)$/.test(name)),
    [],
  );
  assert.equal(broker.describeTopic("t").partitions[0]?.state, "online");
  full = false;
  assert.ok((await compact(it)).recordsRemoved > 4);
  await broker.close();
});

test("an exchange that fails before it counts is taken back; one that fails after it fences", async () => {
  for (const [failing, expected] of [
    [".log.swap", "online"],
    [".log.deleted", "fenced"],
  ] as const) {
    let fail = true;
    const onOperation = ({ kind, paths }: StorageOperation): void => {
      if (fail && kind === "rename" && paths[1]?.endsWith(failing) === true) {
        throw new StorageError("io", `${paths[1]}: the disk failed`);
      }
    };
    const it = await opened({}, {}, memoryStorage({ onOperation }));
    const { broker, storage, clock } = it;
    for (let at = 0; at < 8; at += 1) await put(it, { key: "a", value: `${at}${filler}` });
    await compact(it);
    assert.equal(broker.describeTopic("t").partitions[0]?.state, expected, failing);
    const seen = await all(broker);
    assert.deepEqual(seen[seen.length - 1]?.[0], 7);
    fail = false;
    await broker.close();
    const again = await openBroker(testWorld(storage.restart(), clock));
    assert.equal(again.report.offlinePartitions, 0);
    const [last] = (await all(again)).slice(-1);
    assert.equal(last?.[0], 7);
    assert.deepEqual(
      (await names(storage.restart({}))).filter((name) => /\.(swap|cleaned|deleted)$/.test(name)),
      [],
    );
  }
});

test("how far a log is compacted is remembered over a restart, and forgotten with its topic", async () => {
  const it = await opened();
  const { broker, storage, clock } = it;
  assert.equal(await readFile(storage, "cleaner-offset-checkpoint", 4096), null, "nothing was compacted yet");
  for (let at = 0; at < 8; at += 1) await put(it, { key: "a", value: `${at}${filler}` });
  await compact(it);
  const recorded = async (disk: MemoryStorage): Promise<string | null> =>
    text(await readFile(disk, "cleaner-offset-checkpoint", 4096));
  const first = await recorded(storage);
  assert.match(first ?? "", /^0\n1\nt 0 \d+\n$/);
  await broker.close();
  const disk = storage.restart();
  const world = { ...testWorld(disk, clock), compactionCheckIntervalMs: Infinity };
  const second = await openBroker(world);
  assert.equal(await recorded(disk), first);
  assert.equal((await compact({ broker: second, storage: disk, clock, world })).passes, 0, "it is clean still");
  await second.deleteTopic("t");
  assert.equal(await recorded(disk), "0\n0\n");
  await second.close();
});

test("verify names what a compaction left, and finds a compacted log whole", async () => {
  const it = await opened();
  const { broker, storage } = it;
  for (let at = 0; at < 8; at += 1) await put(it, { key: `k${at % 2}`, value: `${at}${filler}` });
  await compact(it);
  await broker.close();
  const disk = storage.restart();
  const findings = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { severity, kind, file } of verifyDataFolder({ storage: disk, kernel, decompressor: turned })) {
      found.push(`${severity} ${kind} ${file}`);
    }
    return found;
  };
  assert.deepEqual(await findings(), []);
  for (const name of ["00000000000000000003.log.cleaned", "00000000000000000003.index.deleted"])
    disk.create(`t-0/${name}`);
  assert.deepEqual(await findings(), [
    "note swap-file t-0/00000000000000000003.log.cleaned",
    "note swap-file t-0/00000000000000000003.index.deleted",
  ]);
  // The log's first segment as an exchange leaves it in its middle.
  await disk.rename("t-0/00000000000000000000.log", "t-0/00000000000000000000.log.swap");
  const found = await findings();
  assert.ok(found.includes("warning swap-file t-0/00000000000000000000.log.swap"), found.join("\n"));
  assert.ok(!found.some((one) => one.startsWith("error")), found.join("\n"));
  // A batch that is lost is still found, and so is one out of its place.
  await disk.rename("t-0/00000000000000000000.log.swap", "t-0/00000000000000000000.log");
  const bytes = (await readFile(disk, "t-0/00000000000000000000.log", 1 << 20)) as Uint8Array;
  for (const [what, change, expected] of [
    ["a byte", () => void (bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1), /error checksum/],
    ["an offset", () => new DataView(bytes.buffer).setInt32(4, 1_000_000), /error (base-offset|header)/],
  ] as const) {
    const whole = bytes.slice();
    change();
    await disk.remove("t-0/00000000000000000000.log");
    disk.create("t-0/00000000000000000000.log").append(bytes);
    assert.match((await findings()).join("\n"), expected, what);
    bytes.set(whole);
  }
});

test("two brokers that share a kernel compact one after the other", async () => {
  const shared = createTwinKernel();
  const one = await opened({}, { kernel: shared });
  const other = await opened({}, { kernel: shared });
  for (const it of [one, other]) for (let at = 0; at < 8; at += 1) await put(it, { key: "a", value: `${at}${filler}` });
  const map = shared.openOffsetMap(new Uint8Array(16), 0);
  assert.ok(map !== null);
  assert.equal((await compact(one)).passes, 0, "the map is another's");
  assert.equal((await all(one.broker)).length, 8);
  map.close();
  assert.equal((await compact(one)).passes, 1);
  assert.equal((await compact(other)).passes, 1);
  await one.broker.close();
  await other.broker.close();
});

test("what is deleted under a pass ends it, and is no failure", async () => {
  for (const what of ["records", "topic"] as const) {
    const it = await opened({ "segment.bytes": 2_000_000 });
    const { broker, clock, storage } = it;
    const value = "y".repeat(400_000);
    for (let at = 0; at < 24; at += 1) await put(it, { key: `k${at % 5}`, value });
    const running = broker.runCompaction();
    running.catch(() => {});
    while (
      broker.metrics().compactionBytesRead === 0 &&
      !(await names(storage)).some((name) => name.endsWith(".cleaned"))
    ) {
      await clock.advance(1);
    }
    if (what === "records") await during(clock, broker.deleteRecords("t", 0, -1));
    else {
      await during(clock, broker.deleteTopic("t"));
      await broker.createTopic("t", { configs: compactedConfigs });
    }
    await during(clock, running);
    assert.equal(broker.metrics().compactionFailures, 0, what);
    assert.deepEqual(
      (await names(storage)).filter((name) => /\.(cleaned|swap)$/.test(name)),
      [],
      what,
    );
    await put(it, { key: "a", value: "1" });
    assert.deepEqual(
      (await all(broker)).slice(-1).map(([, key]) => key),
      ["a"],
    );
    assert.ok(!it.world.said.some(({ level }) => level === "error"), JSON.stringify(it.world.said));
    await broker.close();
  }
});
