import assert from "node:assert/strict";
import test from "node:test";
import { MoldauError } from "../errors.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { StorageError, type StorageErrorKind } from "../port/storage.ts";
import type { StorageOperation } from "../port/storage-operation.ts";
import { type MemoryStorage, memoryStorage } from "../storage/memory.ts";
import { openBroker } from "./open.ts";
import type { AppendOptions, AppendResult, Broker } from "./types.ts";
import { drain, ManualClock, testWorld } from "./world.test.support.ts";

const kernel = createTwinKernel();
const code = (expected: string) => (error: unknown) => error instanceof MoldauError && error.code === expected;
const text = (bytes: Uint8Array | null): string => new TextDecoder().decode(bytes ?? new Uint8Array(0));

interface Faulty {
  readonly storage: MemoryStorage;
  /** Makes operations that match fail from now on; null ends it. */
  fail(match: ((operation: StorageOperation) => boolean) | null, kind?: StorageErrorKind): void;
  readonly done: StorageOperation[];
}

function faultyStorage(): Faulty {
  let broken: ((operation: StorageOperation) => boolean) | null = null;
  let failure: StorageErrorKind = "io";
  const done: StorageOperation[] = [];
  const storage = memoryStorage({
    onOperation: (operation) => {
      if (broken?.(operation) === true)
        throw new StorageError(failure, `${operation.kind} ${operation.paths[0]} fails`);
    },
    trace: (operation) => done.push(operation),
  });
  return {
    storage,
    done,
    fail: (match, kind = "io") => {
      broken = match;
      failure = kind;
    },
  };
}

function append(broker: Broker, value: string, options: AppendOptions = {}): Promise<AppendResult> {
  const timestamp = 1_700_000_000_000;
  const batch = kernel
    .encodeBatch([{ key: null, value: new TextEncoder().encode(value), headers: [], timestamp }])
    .slice();
  return broker.appendBatches("t", 0, batch, options);
}

async function values(broker: Broker): Promise<string[]> {
  const read: string[] = [];
  for await (const record of broker.read("t")) read.push(text(record.value));
  return read;
}

const rename =
  (suffix: string) =>
  (operation: StorageOperation): boolean =>
    operation.kind === "rename" && operation.paths[1]?.endsWith(suffix) === true;

test("an epoch entry that found no room is written before the first batch of the epoch is acknowledged", async () => {
  const { storage, fail, done } = faultyStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  done.length = 0;
  fail((operation) => operation.kind === "append" && operation.paths[0]?.includes("leader-epoch") === true, "no-space");
  await assert.rejects(append(broker, "a"), code("KAFKA_STORAGE_ERROR"));
  fail(null);
  await append(broker, "b");
  const written = done.findIndex(({ kind, paths }) => kind === "rename" && paths[1] === "t-0/leader-epoch-checkpoint");
  const synced = done.findIndex(({ kind, paths }) => kind === "sync" && paths[0]?.endsWith(".log"));
  assert.ok(written >= 0 && written < synced, "the entry is durable first");
  assert.deepEqual(await values(broker), ["b"]);
  await broker.close();
});

test("an epoch entry that the disk failed to take fences the partition", async () => {
  const { storage, fail } = faultyStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  fail(rename("leader-epoch-checkpoint"));
  await assert.rejects(append(broker, "a"), code("KAFKA_STORAGE_ERROR"));
  fail(null);
  await assert.rejects(append(broker, "a"), code("KAFKA_STORAGE_ERROR"));
  assert.equal(broker.describeTopic("t").partitions[0]?.state, "fenced");
});

test("a failed sync fails every waiting acknowledgement as unknown, and a restart discards what was not synced", async () => {
  const { storage, fail } = faultyStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  await append(broker, "kept");
  fail(({ kind, paths }) => kind === "sync" && paths[0]?.endsWith(".log") === true);
  const outcomes = await Promise.allSettled(["x", "y", "z"].map((value) => append(broker, value)));
  for (const outcome of outcomes) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof MoldauError);
    assert.deepEqual([outcome.reason.code, outcome.reason.effect], ["KAFKA_STORAGE_ERROR", "unknown"]);
  }
  await drain();
  const again = await openBroker(testWorld(storage.restart({})));
  assert.deepEqual(await values(again), ["kept"]);
  assert.equal(again.describeTopic("t").partitions[0]?.state, "online");
  await append(again, "next");
  assert.deepEqual(await values(again), ["kept", "next"]);
  await again.close();
});

test("one sync serves all who wait for it", async () => {
  const { storage, done } = faultyStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  await append(broker, "first");
  done.length = 0;
  await Promise.all(Array.from({ length: 200 }, (_, at) => append(broker, `v${at}`)));
  const syncs = done.filter(({ kind, paths }) => kind === "sync" && paths[0]?.endsWith(".log"));
  assert.ok(syncs.length <= 3, `${syncs.length} syncs`);
  assert.equal(broker.offsets("t", 0).latest, 201);
  await broker.close();
});

test("acks leader and none are answered before the sync, which comes within 10 ms all the same", async () => {
  for (const acks of ["leader", "none"] as const) {
    const { storage, done } = faultyStorage();
    const clock = new ManualClock();
    const broker = await openBroker(testWorld(storage, clock));
    await broker.createTopic("t");
    await append(broker, "first");
    done.length = 0;
    const { baseOffset } = await append(broker, "v", { acks });
    assert.equal(baseOffset, 1);
    await drain();
    assert.equal(
      done.some(({ kind }) => kind === "sync"),
      false,
    );
    assert.equal(broker.offsets("t", 0).latest, 1, "not readable yet");
    await clock.advance(9);
    assert.equal(broker.offsets("t", 0).latest, 1);
    await clock.advance(1);
    assert.equal(broker.offsets("t", 0).latest, 2);
    await broker.close();
  }
});

test("8 MiB that nobody waits for are synced at once", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t");
  const value = "x".repeat(1_000_000);
  for (let at = 0; at < 8; at += 1) await append(broker, value, { acks: "leader" });
  await drain();
  assert.equal(broker.offsets("t", 0).latest, 0);
  await append(broker, value, { acks: "leader" });
  await drain();
  assert.equal(broker.offsets("t", 0).latest, 9);
  await broker.close();
});

test("an acknowledgement that takes too long is unknown, and coming later harms nobody", async () => {
  const clock = new ManualClock();
  const { storage } = faultyStorage();
  let release: (() => void) | null = null;
  const sync = storage.sync.bind(storage);
  storage.sync = async (files) => {
    if (files.some(({ path, sizeBytes }) => path.endsWith(".log") && sizeBytes > 0))
      await new Promise<void>((resolve) => (release = resolve));
    return sync(files);
  };
  const broker = await openBroker(testWorld(storage, clock));
  await broker.createTopic("t");
  const late = assert.rejects(append(broker, "a", { timeoutMs: 50 }), (error: unknown) => {
    return error instanceof MoldauError && error.code === "REQUEST_TIMED_OUT" && error.effect === "unknown";
  });
  await drain();
  await clock.advance(50);
  await late;
  (release as unknown as () => void)();
  await drain();
  assert.deepEqual(await values(broker), ["a"]);
  await broker.close();
});

test("deleting the topic ends the waits: acknowledgements as unknown, fetches with their error", async () => {
  const { storage } = faultyStorage();
  let release: (() => void) | null = null;
  const sync = storage.sync.bind(storage);
  storage.sync = async (files) => {
    if (files.some(({ path, sizeBytes }) => path.endsWith(".log") && sizeBytes > 0))
      await new Promise<void>((resolve) => (release = resolve));
    return sync(files);
  };
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  const appended = append(broker, "a").catch((error: unknown) => error);
  const fetched = broker.fetchBatches([{ topic: "t", partition: 0, offset: 0 }], { maxWaitMs: 60_000 });
  await drain();
  const deleted = broker.deleteTopic("t");
  await drain();
  (release as unknown as () => void)();
  await deleted;
  const error = await appended;
  assert.ok(
    error instanceof MoldauError && error.code === "UNKNOWN_TOPIC_OR_PARTITION" && error.effect === "unknown",
    String(error),
  );
  assert.equal((await fetched)[0]?.error?.code, "UNKNOWN_TOPIC_OR_PARTITION");
  await broker.close();
});

test("a stop answers a waiting fetch as a stop, not as a topic that is gone", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t");
  const fetched = broker.fetchBatches([{ topic: "t", partition: 0, offset: 0 }], { maxWaitMs: 60_000 });
  await drain();
  await broker.close();
  const error = (await fetched)[0]?.error;
  assert.deepEqual([error?.code, error?.retriable], ["BROKER_CLOSED", true]);
});

test("durability os: readable when written, and a closed segment is synced all the same", async () => {
  const { storage, done } = faultyStorage();
  const broker = await openBroker({ ...testWorld(storage), durability: "os" });
  await broker.createTopic("t", { configs: { "segment.bytes": 200 } });
  await append(broker, "a");
  done.length = 0;
  await append(broker, "b");
  assert.equal(broker.offsets("t", 0).latest, 2);
  await drain();
  assert.equal(
    done.some(({ kind }) => kind === "sync"),
    false,
  );
  await append(broker, "c");
  await append(broker, "d");
  await drain();
  assert.ok(done.some(({ kind, paths }) => kind === "sync" && paths.includes("t-0/00000000000000000000.log")));
  await broker.close();
});

test("durability os: records deleted on purpose before a power loss took them leave a partition that works", async () => {
  const storage = memoryStorage();
  const broker = await openBroker({ ...testWorld(storage), durability: "os" });
  await broker.createTopic("t");
  for (const value of ["a", "b", "c"]) await append(broker, value);
  assert.equal(await broker.deleteRecords("t", 0, -1), 3);
  const again = await openBroker(testWorld(storage.crash(() => 0)));
  assert.equal(again.report.offlinePartitions, 0, again.report.notes.join());
  assert.deepEqual(again.offsets("t", 0), { earliest: 3, latest: 3 });
  assert.equal((await append(again, "d")).baseOffset, 3);
  assert.deepEqual(await values(again), ["d"]);
  await again.close();
});

test("a compressed batch whose inside is no records is its client's affair: the partition stays online", async () => {
  const world = testWorld(memoryStorage());
  const broker = await openBroker({ ...world, decompressor: { decompress: () => new Uint8Array([7, 7, 7]) } });
  await broker.createTopic("t");
  const batch = kernel.encodeBatch([{ key: null, value: new Uint8Array(3), headers: [], timestamp: 5 }]).slice();
  const view = new DataView(batch.buffer);
  view.setInt16(21, 1); // gzip
  view.setUint32(17, kernel.crc32c(batch.subarray(21)));
  await broker.appendBatches("t", 0, batch);
  await assert.rejects(broker.fetchRecords("t", 0, { offset: 0 }), code("CORRUPT_MESSAGE"));
  assert.equal(broker.describeTopic("t").partitions[0]?.state, "online");
  await broker.close();
});

test("a sync that fails in the first segment after retention took all others leaves an empty log that can be read", async () => {
  const { storage, fail } = faultyStorage();
  const clock = new ManualClock();
  const broker = await openBroker(testWorld(storage, clock));
  await broker.createTopic("t", { configs: { "retention.ms": 1000 } });
  await append(broker, "old");
  await clock.advance(5000);
  assert.equal(await broker.runRetention(), 1);
  fail(({ kind, paths }) => kind === "sync" && paths[0]?.endsWith(".log") === true);
  await assert.rejects(append(broker, "lost"), code("KAFKA_STORAGE_ERROR"));
  fail(null);
  await drain();
  const [described] = broker.describeTopic("t").partitions;
  assert.deepEqual([described?.state, described?.segments, described?.highWatermark], ["fenced", 1, 1]);
  assert.deepEqual(await values(broker), []);
  assert.deepEqual(await broker.offsetForTimestamp("t", 0, 0), { offset: null, timestamp: null });
  await broker.close();
  const again = await openBroker(testWorld(storage.restart({}), clock));
  assert.deepEqual(again.offsets("t", 0), { earliest: 1, latest: 1 });
  assert.equal((await append(again, "new")).baseOffset, 1);
  await again.close();
});

test("a stop in the middle of appends and fetches keeps what it acknowledged and refuses the rest", async () => {
  const { storage } = faultyStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t", { configs: { "segment.bytes": 300 } });
  const sent: Promise<string | null>[] = [];
  const send = (value: string): void => {
    sent.push(
      append(broker, value).then(
        () => value,
        (error: unknown) => {
          assert.ok(error instanceof MoldauError && error.code === "BROKER_CLOSED" && error.retriable, String(error));
          return null;
        },
      ),
    );
  };
  for (let at = 0; at < 20; at += 1) send(`${at}`);
  const waiting = broker.fetchBatches([{ topic: "t", partition: 0, offset: 0 }], {
    minBytes: 1_000_000,
    maxWaitMs: 60_000,
  });
  const closing = broker.close();
  for (let at = 20; at < 30; at += 1) send(`${at}`);
  await closing;
  await waiting;
  const acknowledged = (await Promise.all(sent)).filter((value) => value !== null);
  assert.ok(acknowledged.length < 30);
  await assert.rejects(broker.createTopic("u"), code("BROKER_CLOSED"));
  const again = await openBroker(testWorld(storage.restart({})));
  assert.equal(again.report.cleanShutdown, true);
  const kept = await values(again);
  assert.deepEqual(
    acknowledged.filter((value) => !kept.includes(value)),
    [],
  );
  await again.close();
});

test("who never waits for a sync has to, before more is unsynced than a crash may take; all in their order", async () => {
  const { storage } = faultyStorage();
  const held: (() => void)[] = [];
  const sync = storage.sync.bind(storage);
  let holds = false;
  storage.sync = async (files) => {
    if (holds && files.some(({ path }) => path.endsWith(".log")))
      await new Promise<void>((resolve) => held.push(resolve));
    return sync(files);
  };
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t", { configs: { "max.message.bytes": 2 * 1024 * 1024 } });
  await append(broker, "begins the epoch");
  holds = true;
  const value = "x".repeat(1024 * 1024);
  const order: number[] = [];
  const unsynced = (): number => broker.describeTopic("t").partitions[0]!.logEndOffset - broker.offsets("t", 0).latest;
  const appends = Array.from({ length: 40 }, async (_, at) => {
    const { baseOffset } = await append(broker, `${at}${value}`, { acks: "leader" });
    assert.equal(baseOffset, at + 1);
    order.push(at);
  });
  let rounds = 0;
  for (; order.length < 40; rounds += 1) {
    await drain();
    assert.ok(unsynced() <= 16, `${unsynced()} MiB are unsynced`);
    held.shift()?.();
    await drain();
  }
  assert.ok(rounds > 1);
  await Promise.all(appends);
  assert.deepEqual(
    order,
    Array.from({ length: 40 }, (_, at) => at),
  );
  holds = false;
  for (const release of held) release();
  await broker.close();
});

test("a sync ahead of the flush promises nothing, and its failure, told to it alone, acknowledges nobody", async () => {
  for (const fails of [false, true]) {
    const { storage } = faultyStorage();
    const syncs: ((error?: Error) => void)[] = [];
    const sync = storage.sync.bind(storage);
    let holds = false;
    storage.sync = async (files) => {
      await sync(files);
      if (holds && files.some(({ path }) => path.endsWith(".log")))
        await new Promise<void>((resolve, reject) => syncs.push((error) => (error ? reject(error) : resolve())));
    };
    const broker = await openBroker(testWorld(storage));
    await broker.createTopic("t", { configs: { "max.message.bytes": 2 * 1024 * 1024 } });
    await append(broker, "begins the epoch");
    holds = true;
    await append(broker, "x".repeat(1024 * 1024), { acks: "leader" });
    await drain();
    assert.equal(syncs.length, 1, "a mebibyte is on its way, though nobody waits for it");
    const outcome: unknown[] = [];
    const waiting = append(broker, "waits").then(
      () => outcome.push("acknowledged"),
      (error: unknown) => outcome.push(error),
    );
    await drain();
    assert.equal(syncs.length, 2);
    syncs[1]?.();
    await drain();
    assert.deepEqual([outcome, broker.offsets("t", 0).latest], [[], 1]);
    syncs[0]?.(fails ? new StorageError("io", "EIO") : undefined);
    await waiting;
    holds = false;
    if (fails) {
      assert.ok(code("KAFKA_STORAGE_ERROR")(outcome[0]));
      assert.equal(broker.offsets("t", 0).latest, 1);
      assert.equal(broker.describeTopic("t").partitions[0]?.state, "fenced");
      await assert.rejects(append(broker, "more"), code("KAFKA_STORAGE_ERROR"));
    } else {
      assert.deepEqual([outcome, broker.offsets("t", 0).latest], [["acknowledged"], 3]);
    }
    for (const resolve of syncs) resolve();
    await broker.close();
  }
});

test("nothing is put behind what a write left that could not be taken back", async () => {
  const { storage, fail } = faultyStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t", { configs: { "segment.bytes": 150 } });
  await append(broker, "a");
  const first = ({ kind, paths }: StorageOperation): boolean =>
    kind === "append" && paths[0] === "t-0/00000000000000000000.log";
  fail(first, "no-space");
  await assert.rejects(append(broker, "b"), code("KAFKA_STORAGE_ERROR"));
  assert.equal(broker.describeTopic("t").partitions[0]?.state, "online");
  // The store could not restore the file: it takes nothing any more. The next append would begin a segment.
  fail(first, "io");
  await assert.rejects(append(broker, "c".repeat(60)), code("KAFKA_STORAGE_ERROR"));
  assert.equal(broker.describeTopic("t").partitions[0]?.state, "fenced");
  assert.deepEqual(
    (await storage.list("t-0")).map(({ name }) => name).filter((name) => name.endsWith(".log")),
    ["00000000000000000000.log"],
  );
  await broker.close();
  const again = await openBroker(testWorld(storage.restart({})));
  assert.equal(again.report.cleanShutdown, false);
  assert.deepEqual(await values(again), ["a"]);
  await again.close();
});

test("a stop behind a write that could not be taken back is not recorded as clean", async () => {
  const { storage, fail } = faultyStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  await append(broker, "a");
  const log = ({ kind, paths }: StorageOperation): boolean => kind === "append" && paths[0]?.endsWith(".log") === true;
  fail(log, "no-space");
  await assert.rejects(append(broker, "b"), code("KAFKA_STORAGE_ERROR"));
  fail(log, "io");
  await broker.close();
  fail(null);
  const again = await openBroker(testWorld(storage.restart({})));
  assert.equal(again.report.cleanShutdown, false);
  await again.close();
});
