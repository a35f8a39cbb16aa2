import assert from "node:assert/strict";
import test from "node:test";
import { openBroker } from "../broker/open.ts";
import type { AppendOptions, AppendResult, Broker, ConfigInput } from "../broker/types.ts";
import { ManualClock, type TestWorld, testWorld } from "../broker/world.test.support.ts";
import { MoldauError } from "../errors.ts";
import type { EncodeOptions } from "../kernel/kernel.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { maxRunBytes } from "../limits.ts";
import { StorageError } from "../port/storage.ts";
import type { StorageOperation } from "../port/storage-operation.ts";
import { type MemoryStorage, memoryStorage } from "../storage/memory.ts";
import { BatchHeader } from "./record-batch.ts";

const kernel = createTwinKernel();
const code = (expected: string) => (error: unknown) => error instanceof MoldauError && error.code === expected;
const text = (bytes: Uint8Array | null): string => new TextDecoder().decode(bytes ?? new Uint8Array(0));
const start = 1_700_000_000_000;

interface BatchOptions extends EncodeOptions {
  readonly timestamp?: number;
  readonly attributes?: number;
}

function batch(
  values: readonly string[],
  { timestamp = start, attributes = 0, ...options }: BatchOptions = {},
): Uint8Array {
  const records = values.map((value) => ({
    key: null,
    value: new TextEncoder().encode(value),
    headers: [],
    timestamp: Math.max(0, timestamp),
  }));
  const bytes = kernel.encodeBatch(records, options).slice();
  const view = new DataView(bytes.buffer);
  view.setInt16(21, attributes);
  if (timestamp < 0) for (const at of [27, 35]) view.setBigInt64(at, BigInt(timestamp));
  view.setUint32(17, kernel.crc32c(bytes.subarray(21)));
  return bytes;
}

interface Opened {
  readonly broker: Broker;
  readonly storage: MemoryStorage;
  readonly clock: ManualClock;
  readonly world: TestWorld;
  append(bytes: Uint8Array, options?: AppendOptions): Promise<AppendResult>;
  segments(): Promise<number[]>;
}

async function opened(
  configs: ConfigInput = {},
  storage: MemoryStorage = memoryStorage(),
  clock: ManualClock = new ManualClock(),
): Promise<Opened> {
  const world = testWorld(storage, clock);
  const broker = await openBroker(world);
  await broker.createTopic("t", { configs });
  return {
    broker,
    storage,
    clock,
    world,
    append: (bytes, options = {}) => broker.appendBatches("t", 0, bytes, options),
    segments: async () => bases(storage),
  };
}

async function bases(storage: MemoryStorage, kind = "log"): Promise<number[]> {
  const names = (await storage.list("t-0")).map(({ name }) => name).filter((name) => name.endsWith(`.${kind}`));
  return names.map((name) => Number(name.slice(0, 20))).sort((a, b) => a - b);
}

async function values(broker: Broker): Promise<string[]> {
  const read: string[] = [];
  for await (const record of broker.read("t")) read.push(text(record.value));
  return read;
}

// ---- rolling -------------------------------------------------------------------------------

test("a segment ends before segment.bytes, on a batch boundary", async () => {
  const one = batch(["v"]).length;
  const { broker, append, segments } = await opened({ "segment.bytes": one * 3 });
  for (let at = 0; at < 7; at += 1) await append(batch(["v"]));
  assert.deepEqual(await segments(), [0, 3, 6]);
  await assert.rejects(append(batch(["v".repeat(one * 3)])), code("MESSAGE_TOO_LARGE"));
  assert.equal((await values(broker)).length, 7);
  await broker.close();
});

test("records that fit no segment together become batches that do", async () => {
  const { broker, segments } = await opened({ "segment.bytes": 200 });
  const results = await broker.produce(
    "t",
    Array.from({ length: 30 }, (_, at) => ({ value: `${at}` })),
  );
  assert.deepEqual(
    results.map((result) => ("error" in result ? result.error.code : result.offset)),
    Array.from({ length: 30 }, (_, at) => at),
  );
  assert.ok((await segments()).length > 2);
  await broker.close();
});

test("a segment ends when its records span more than segment.ms, by their own time", async () => {
  const { broker, append, segments } = await opened({ "segment.ms": 1000 });
  await append(batch(["a"], { timestamp: start }));
  await append(batch(["b"], { timestamp: start + 1000 }));
  assert.deepEqual(await segments(), [0]);
  await append(batch(["c"], { timestamp: start + 1001 }));
  await append(batch(["late"], { timestamp: start - 5000 }));
  assert.deepEqual(await segments(), [0, 2]);
  // A run goes to one segment: its newest batch decides, wherever it stands.
  await append(Buffer.concat([2002, 1, 2].map((ms) => batch(["d"], { timestamp: start + 1000 + ms }))));
  assert.deepEqual(await segments(), [0, 2, 4]);
  await append(Buffer.concat([1, 4005, 2].map((ms) => batch(["e"], { timestamp: start + 1000 + ms }))));
  assert.deepEqual(await segments(), [0, 2, 4, 7]);
  await broker.close();
});

test("records without a time roll by the clock, and are as old as their segment", async () => {
  const { broker, append, segments, clock } = await opened({ "segment.ms": 1000, "retention.ms": 5000 });
  await append(batch(["a"], { timestamp: -1 }));
  assert.equal(await broker.runRetention(), 0);
  assert.deepEqual(await values(broker), ["a"]);
  await clock.advance(1001);
  await append(batch(["b"], { timestamp: -1 }));
  assert.deepEqual(await segments(), [0, 1]);
  await clock.advance(4500);
  assert.equal(await broker.runRetention(), 1);
  assert.deepEqual(await values(broker), ["b"]);
  await broker.close();
});

test("a segment ends when its index is full", async () => {
  const { broker, append, segments } = await opened({ "segment.index.bytes": 36, "index.interval.bytes": 0 });
  for (let at = 0; at < 10; at += 1) await append(batch([`${at}`], { timestamp: start + at }));
  const rolled = await segments();
  assert.ok(rolled.length > 2 && rolled.length < 6, rolled.join());
  assert.deepEqual(
    await values(broker),
    Array.from({ length: 10 }, (_, at) => `${at}`),
  );
  await broker.close();
});

// ---- what a batch must be ------------------------------------------------------------------

test("LogAppendTime stamps the broker's time, in the header, the answer and the records", async () => {
  const { broker, append, clock } = await opened({ "message.timestamp.type": "LogAppendTime" });
  await clock.advance(77);
  const { logAppendTime } = await append(batch(["a", "b"], { timestamp: 5 }));
  assert.equal(logAppendTime, clock.now());
  const [fetched] = await broker.fetchBatches([{ topic: "t", partition: 0, offset: 0 }]);
  const header = new BatchHeader(fetched?.bytes as Uint8Array);
  assert.deepEqual([header.isLogAppendTime, header.maxTimestamp], [true, clock.now()]);
  assert.equal(kernel.crc32c(header.bytes.subarray(21)), header.checksum);
  const { records } = await broker.fetchRecords("t", 0, { offset: 0 });
  assert.deepEqual(
    records.map(({ timestamp }) => timestamp),
    [clock.now(), clock.now()],
  );
  // Bounds are for the clients' times only.
  await append(batch(["c"], { timestamp: start * 2 }));
  await broker.close();
});

test("a time too far ahead of the broker's clock, or behind it, is refused and nothing appended", async () => {
  const { broker, append } = await opened({
    "message.timestamp.after.max.ms": 100,
    "message.timestamp.before.max.ms": 200,
  });
  await append(batch(["a"], { timestamp: start + 100 }));
  await append(batch(["b"], { timestamp: start - 200 }));
  await assert.rejects(append(batch(["c"], { timestamp: start + 101 })), code("INVALID_TIMESTAMP"));
  await assert.rejects(append(batch(["d"], { timestamp: start - 201 })), code("INVALID_TIMESTAMP"));
  assert.deepEqual(await values(broker), ["a", "b"]);
  await broker.close();
});

test("control and transactional batches are refused", async () => {
  const { broker, append } = await opened();
  for (const attributes of [16, 32, 48])
    await assert.rejects(append(batch(["x"], { attributes })), code("INVALID_RECORD"));
  assert.equal(broker.offsets("t", 0).latest, 0);
  await broker.close();
});

test("a compressed batch passes untouched, without anything to open it", async () => {
  const { broker, append } = await opened();
  for (const codec of [1, 2, 3, 4]) {
    const sent = batch(["not really compressed"], { attributes: codec });
    const { baseOffset } = await append(sent);
    const [fetched] = await broker.fetchBatches([{ topic: "t", partition: 0, offset: baseOffset }]);
    assert.deepEqual(fetched?.bytes.subarray(16), sent.subarray(16));
    await assert.rejects(broker.fetchRecords("t", 0, { offset: baseOffset }), code("UNSUPPORTED_COMPRESSION_TYPE"));
  }
  await broker.close();
});

test("a run is appended wholly or not at all", async () => {
  const { broker, append } = await opened();
  const good = batch(["a"]);
  const bad = batch(["b"]);
  bad[bad.length - 1] = (bad[bad.length - 1] as number) ^ 1;
  const run = new Uint8Array(good.length + bad.length);
  run.set(good);
  run.set(bad, good.length);
  await assert.rejects(append(run), code("CORRUPT_MESSAGE"));
  assert.equal(broker.offsets("t", 0).latest, 0);
  run.set(batch(["b"]), good.length);
  const { baseOffset, lastOffset } = await append(run);
  assert.deepEqual([baseOffset, lastOffset], [0, 1]);
  assert.deepEqual(await values(broker), ["a", "b"]);
  await broker.close();
});

test("a conditional append finds the end it expects, or changes nothing", async () => {
  const { broker, append } = await opened();
  await append(batch(["a"]), { expectedEndOffset: 0 });
  await assert.rejects(append(batch(["b"]), { expectedEndOffset: 0 }), code("OFFSET_MISMATCH"));
  const both = await Promise.allSettled(["b", "c"].map((value) => append(batch([value]), { expectedEndOffset: 1 })));
  assert.deepEqual(
    both.map(({ status }) => status),
    ["fulfilled", "rejected"],
  );
  assert.deepEqual(await values(broker), ["a", "b"]);
  await broker.close();
});

test("the retry of a conditional append that had succeeded gets its first offset, not a mismatch", async () => {
  const { broker, append } = await opened();
  const { producerId } = await broker.allocateProducer();
  const first = (): Uint8Array => batch(["a"], { producerId, producerEpoch: 0, baseSequence: 0 });
  await append(first(), { expectedEndOffset: 0 });
  const retry = await append(first(), { expectedEndOffset: 0 });
  assert.deepEqual([retry.baseOffset, retry.duplicate], [0, true]);
  const second = batch(["b"], { producerId, producerEpoch: 0, baseSequence: 1 });
  await assert.rejects(append(second, { expectedEndOffset: 0 }), code("OFFSET_MISMATCH"));
  assert.equal((await append(second, { expectedEndOffset: 1 })).baseOffset, 1);
  await broker.close();
});

// ---- reading -------------------------------------------------------------------------------

test("a read that the disk fails is not an offset that is gone", async () => {
  let failing = false;
  const storage = memoryStorage({
    onOperation: ({ kind, paths }) => {
      if (failing && kind === "read" && paths[0]?.endsWith(".log")) throw new StorageError("io", "EIO");
    },
  });
  const world = testWorld(storage);
  const broker = await openBroker({ ...world, tailCacheBytes: 0 });
  await broker.createTopic("t");
  for (let at = 0; at < 6; at += 1) await broker.appendBatches("t", 0, batch([`${at}`]));
  await broker.deleteRecords("t", 0, 3);
  // The cursor leads past the look-up, so that it is the read itself that fails.
  await broker.fetchBatches([{ topic: "t", partition: 0, offset: 3 }], { maxBytes: 1 });
  failing = true;
  for (const offset of [4, 5]) {
    const [fetched] = await broker.fetchBatches([{ topic: "t", partition: 0, offset }]);
    assert.deepEqual([fetched?.error?.code, fetched?.error?.retriable], ["KAFKA_STORAGE_ERROR", true]);
  }
  await assert.rejects(broker.offsetForTimestamp("t", 0, start), code("KAFKA_STORAGE_ERROR"));
  failing = false;
  assert.deepEqual(await values(broker), ["3", "4", "5"]);
  await broker.close();
});

test("who follows a log reads no file, from the first append after he came to its end", async () => {
  let reads = 0;
  const storage = memoryStorage({
    trace: ({ kind, paths }) => (reads += kind === "read" && /log$/.test(paths[0]!) ? 1 : 0),
  });
  const { broker, append } = await opened({}, storage);
  for (let at = 0; at < 3; at += 1) await append(batch([`${at}`]));
  assert.equal(broker.metrics().tailCacheBytes, 0, "nobody reads");
  let offset = 0;
  const follow = async (): Promise<string[]> => {
    const fetched = await broker.fetchRecords("t", 0, { offset });
    offset = fetched.nextOffset;
    return fetched.records.map(({ value }) => text(value));
  };
  assert.deepEqual(await follow(), ["0", "1", "2"]);
  assert.ok(reads > 0, "these lie in the file alone");
  reads = 0;
  for (let at = 3; at < 9; at += 3) {
    for (let more = 0; more < 3; more += 1) await append(batch([`${at + more}`]));
    assert.deepEqual(await follow(), [`${at}`, `${at + 1}`, `${at + 2}`]);
  }
  assert.equal(reads, 0);
  assert.ok(broker.metrics().tailCacheBytes > 0);
  await broker.close();
});

test("a run in chunks is appended as one in one piece", async () => {
  const { broker, append } = await opened();
  const run = Buffer.concat([batch(["a", "b"]), batch(["c"])]);
  const chunks = [run.subarray(0, 3), run.subarray(3, 80), new Uint8Array(0), run.subarray(80)];
  const { baseOffset, lastOffset } = await broker.appendBatches("t", 0, chunks);
  assert.deepEqual([baseOffset, lastOffset], [0, 2]);
  await append(run);
  assert.deepEqual(await values(broker), ["a", "b", "c", "a", "b", "c"]);
  assert.equal(broker.metrics().bytesAppended, 2 * run.length);
  for (const nothing of [[], [new Uint8Array(0)]])
    await assert.rejects(broker.appendBatches("t", 0, nothing), code("INVALID_RECORD"));
  const large = [new Uint8Array(maxRunBytes), new Uint8Array(1)];
  await assert.rejects(broker.appendBatches("t", 0, large), code("MESSAGE_TOO_LARGE"));
  await broker.close();
});

test("from any offset, in any bite, from memory or from disk, a reader gets every record once", async () => {
  for (const tailCacheBytes of [0, 2000, 1_000_000]) {
    const broker = await openBroker({ ...testWorld(memoryStorage()), tailCacheBytes });
    await broker.createTopic("t", { configs: { "segment.bytes": 700, "index.interval.bytes": 100 } });
    // Somebody is at the end: what comes is kept in memory.
    assert.deepEqual((await broker.fetchRecords("t", 0, { offset: 0 })).records, []);
    let records = 0;
    for (let at = 0; at < 40; at += 1) {
      const many = Array.from({ length: 1 + (at % 4) }, (_, index) => `${records + index}`);
      await broker.appendBatches("t", 0, batch(many));
      records += many.length;
    }
    for (let from = 0; from < records; from += 7) {
      for (const maxBytes of [1, 90, 300, 100_000]) {
        const read: string[] = [];
        for (let offset = from; offset < records; ) {
          const fetched = await broker.fetchRecords("t", 0, { offset, maxBytes });
          read.push(...fetched.records.map(({ value }) => text(value)));
          assert.ok(fetched.nextOffset > offset);
          offset = fetched.nextOffset;
        }
        assert.deepEqual(
          read,
          Array.from({ length: records - from }, (_, index) => `${from + index}`),
        );
      }
    }
    await broker.close();
  }
});

test("by time, through clocks that go back and segments that retention takes", async () => {
  const { broker, append } = await opened({ "segment.bytes": 300, "index.interval.bytes": 0 });
  const times = [10, 50, 30, 30, 80, 20, 90, 15, 85, 95, 5, 100].map((ms) => start + ms);
  for (const [at, timestamp] of times.entries()) await append(batch([`${at}`], { timestamp }));
  for (let from = 0; from < 8; from += 3) {
    await broker.deleteRecords("t", 0, from);
    for (let ms = 0; ms <= 110; ms += 5) {
      const offset = times.findIndex((time, at) => at >= from && time >= start + ms);
      const found = await broker.offsetForTimestamp("t", 0, start + ms);
      assert.deepEqual(found, offset < 0 ? { offset: null, timestamp: null } : { offset, timestamp: times[offset] });
    }
  }
  await broker.close();
});

// ---- the start -----------------------------------------------------------------------------

test("retention by size keeps at least retention.bytes, and the active segment", async () => {
  const one = batch(["v"]).length;
  const { broker, append } = await opened({ "segment.bytes": one * 2, "retention.bytes": one * 4 });
  for (let at = 0; at < 11; at += 1) await append(batch(["v"]));
  await broker.runRetention();
  assert.deepEqual(broker.offsets("t", 0), { earliest: 6, latest: 11 });
  assert.ok((broker.describeTopic("t").partitions[0]?.sizeBytes as number) >= one * 4);
  await broker.alterTopic("t", { configs: { "retention.bytes": 0 } });
  await broker.runRetention();
  assert.deepEqual(broker.offsets("t", 0), { earliest: 10, latest: 11 });
  await broker.close();
});

test("deleted records stay deleted after a crash, in the middle of a segment too", async () => {
  const { broker, append, storage } = await opened({ "segment.bytes": 300 });
  for (let at = 0; at < 9; at += 1) await append(batch([`${at}`]));
  assert.equal(await broker.deleteRecords("t", 0, 7), 7);
  await assert.rejects(broker.deleteRecords("t", 0, 10), code("OFFSET_OUT_OF_RANGE"));
  assert.equal(await broker.deleteRecords("t", 0, 2), 7);
  assert.deepEqual(await values(broker), ["7", "8"]);
  const again = await openBroker(testWorld(storage.crash(() => 0)));
  assert.deepEqual(await values(again), ["7", "8"]);
  assert.equal(await again.deleteRecords("t", 0, -1), 9);
  assert.deepEqual(again.offsets("t", 0), { earliest: 9, latest: 9 });
  await again.close();
});

test("retention goes on where it can: a full disk or a failing folder stops nobody else", async () => {
  let failing: ((operation: StorageOperation) => StorageError | null) | null = null;
  const storage = memoryStorage({
    onOperation: (operation) => {
      const error = failing?.(operation) ?? null;
      if (error !== null) throw error;
    },
  });
  const clock = new ManualClock();
  const broker = await openBroker(testWorld(storage, clock));
  for (const name of ["a", "b"]) {
    await broker.createTopic(name, { configs: { "retention.ms": 1000 } });
    await broker.produce(name, [{ value: "old" }]);
  }
  await clock.advance(5000);
  failing = ({ kind, paths }) =>
    kind === "create" && paths[0]?.startsWith("a-0") ? new StorageError("no-space", "full") : null;
  assert.equal(await broker.runRetention(), 1);
  assert.deepEqual([broker.offsets("a", 0).earliest, broker.offsets("b", 0).earliest], [0, 1]);
  failing = ({ kind, paths }) =>
    kind === "remove" && paths[0]?.endsWith("0.log") ? new StorageError("io", "EIO") : null;
  assert.equal(await broker.runRetention(), 0);
  assert.equal(broker.offsets("a", 0).earliest, 1);
  failing = null;
  await broker.produce("a", [{ value: "new" }]);
  await broker.close();
});

test("retention that found no room to record its start succeeds when there is room", async () => {
  let full = false;
  const storage = memoryStorage({
    onOperation: ({ kind, paths }) => {
      if (full && kind === "append" && paths[0]?.startsWith("log-start")) throw new StorageError("no-space", "full");
    },
  });
  const { broker, append, clock } = await opened({ "segment.bytes": 150, "retention.ms": 1000 }, storage);
  for (let at = 0; at < 6; at += 1) await append(batch([`${at}`]));
  await clock.advance(5000);
  full = true;
  await assert.rejects(broker.runRetention(), code("KAFKA_STORAGE_ERROR"));
  assert.equal(broker.offsets("t", 0).earliest, 0);
  full = false;
  assert.ok((await broker.runRetention()) > 0);
  assert.equal(broker.offsets("t", 0).earliest, 6);
  await broker.close();
});

test("a run of several batches that a full disk cut short may have left a beginning", async () => {
  let full = false;
  const storage = memoryStorage({
    onOperation: ({ kind, paths }) => {
      if (full && kind === "append" && paths[0]?.startsWith("t-0/")) throw new StorageError("no-space", "full");
    },
  });
  const { broker, append } = await opened({}, storage);
  await append(batch(["before"]));
  full = true;
  const effect = (expected: string) => (error: unknown) =>
    error instanceof MoldauError && error.code === "KAFKA_STORAGE_ERROR" && error.effect === expected;
  await assert.rejects(append(batch(["a"])), effect("none"));
  const two = new Uint8Array([...batch(["a"]), ...batch(["b"])]);
  await assert.rejects(append(two), effect("unknown"));
  full = false;
  assert.equal((await append(batch(["after"]))).baseOffset, 1);
  await broker.close();
});

// ---- indexes -------------------------------------------------------------------------------

test("a full disk between the two indexes of a segment leaves neither: the next start makes them anew", async () => {
  let { storage, broker } = await opened({ "segment.bytes": 380, "index.interval.bytes": 0 });
  for (const at of [0, 1, 2]) await broker.appendBatches("t", 0, batch(["v"], { timestamp: start + at }));
  let full = false;
  // In its files the second life finds what the first had come to.
  storage = storage.crash(() => 0.999, {
    onOperation: ({ kind, paths }) => {
      if (full && kind === "append" && paths[0]?.endsWith("0.timeindex")) throw new StorageError("no-space", "full");
    },
  });
  const world = testWorld(storage);
  broker = await openBroker(world);
  // The latest by time is neither the last of them nor of those that the first life wrote.
  for (const at of [500_000, 3]) await broker.appendBatches("t", 0, batch(["v"], { timestamp: start + at }));
  full = true;
  await broker.appendBatches("t", 0, batch(["next"], { timestamp: start + 900_000 }));
  full = false;
  assert.deepEqual(await bases(storage), [0, 5]);
  assert.ok(world.said.some(({ message }) => message.includes("its index was not written and will be rebuilt")));
  const found = { offset: 3, timestamp: start + 500_000 };
  assert.deepEqual(await broker.offsetForTimestamp("t", 0, start + 400_000), found);
  // Neither the stop nor the loss of power that follows it makes them believed.
  await broker.close();
  const again = await openBroker(testWorld(storage.crash(() => 0, {})));
  assert.deepEqual([again.report.cleanShutdown, again.report.rebuiltIndexes], [true, 1]);
  assert.deepEqual(await again.offsetForTimestamp("t", 0, start + 400_000), found);
  await again.close();
});

test("a flush covers the indexes of every segment that ended before its mark, also while it began", async () => {
  let second: Promise<AppendResult> | null = null;
  const storage: MemoryStorage = memoryStorage({
    onOperation: ({ kind, paths }) => {
      if (kind === "append" && paths[0]?.endsWith("0.timeindex")) second ??= append(batch(["2"]));
    },
  });
  const { append } = await opened({ "segment.bytes": 100 }, storage);
  await append(batch(["0"]));
  await append(batch(["1"]));
  assert.equal((await (second as Promise<AppendResult> | null))?.baseOffset, 2);
  const survivor = storage.crash(() => 0, {});
  assert.deepEqual(await bases(survivor), [0, 1, 2]);
  for (const base of [0, 1]) {
    const file = await survivor.open(`t-0/${base.toString().padStart(20, "0")}.timeindex`);
    assert.equal(file.sizeBytes, 12, `of the segment at ${base}`);
    await file.close();
  }
});

// ---- snapshots and epochs ------------------------------------------------------------------

test("a snapshot that a crash tore is not kept in place of a whole one", async () => {
  const { broker, append, storage, clock } = await opened({ "segment.bytes": 300 });
  const { producerId } = await broker.allocateProducer();
  const send = (to: (bytes: Uint8Array) => Promise<AppendResult>, baseSequence: number): Promise<AppendResult> =>
    to(batch([`${baseSequence}`], { producerId, producerEpoch: 0, baseSequence }));
  for (let sequence = 0; sequence < 5; sequence += 1) await send(append, sequence);
  await clock.advance(1100); // the recovery point
  for (let sequence = 5; sequence < 12; sequence += 1) await send(append, sequence);
  const survivor = storage.crash(() => 0.999);
  const unsure = (await bases(survivor, "snapshot")).filter((offset) => offset > 5);
  assert.ok(unsure.length > 0);
  for (const offset of unsure) {
    const file = await survivor.open(`t-0/${String(offset).padStart(20, "0")}.snapshot`);
    await file.truncate(3);
    await file.close();
  }
  const second = await openBroker(testWorld(survivor, clock));
  for (const offset of (await bases(survivor, "snapshot")).filter((other) => other > 5)) {
    const file = await survivor.open(`t-0/${String(offset).padStart(20, "0")}.snapshot`);
    assert.ok(file.sizeBytes > 3, "none that nobody has looked at");
    await file.close();
  }
  await second.produce("t", [{ value: "x" }]);
  await clock.advance(1100);
  assert.ok((await bases(survivor, "snapshot")).length > 0, "a whole one is left");
  const third = await openBroker(
    testWorld(
      survivor.crash(() => 0),
      clock,
    ),
  );
  const retry = await send((bytes) => third.appendBatches("t", 0, bytes), 11);
  assert.deepEqual([retry.baseOffset, retry.duplicate], [11, true]);
  await third.close();
});

test("leader epochs follow the log start: what was deleted is forgotten", async () => {
  let { storage, broker } = await opened();
  for (let life = 0; life < 4; life += 1) {
    await broker.appendBatches("t", 0, batch([`${life}`]));
    if (life === 3) await broker.deleteRecords("t", 0, 2);
    storage = storage.restart();
    broker = await openBroker(testWorld(storage));
  }
  const file = await storage.open("t-0/leader-epoch-checkpoint");
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  assert.deepEqual(
    text(bytes)
      .split("\n")
      .slice(2, -1)
      .map((line) => Number(line.split(" ")[1])),
    [2, 3],
  );
  await broker.close();
});
