import assert from "node:assert/strict";
import test from "node:test";
import { verifyDataFolder } from "../broker/inspect/verify-data-folder.ts";
import { openBroker } from "../broker/open.ts";
import type { Broker } from "../broker/types.ts";
import { ManualClock, testWorld } from "../broker/world.test.support.ts";
import { MoldauError } from "../errors.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { type Storage, StorageError } from "../port/storage.ts";
import { type MemoryStorage, type MemoryStorageOptions, memoryStorage } from "../storage/memory.ts";

const text = (bytes: Uint8Array | null): string => new TextDecoder().decode(bytes ?? new Uint8Array(0));
/** A crash that keeps what was written, synced or not, or (0) only what was synced. */
const keepAll = (): number => 0.999;

async function values(broker: Broker, from = 0): Promise<string[]> {
  const read: string[] = [];
  for await (const record of broker.read("t", { from })) read.push(text(record.value));
  return read;
}

async function rewrite(storage: Storage, path: string, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const file = await storage.open(path);
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  await file.truncate(0);
  file.append(change(bytes));
  await storage.sync([file]);
  await file.close();
}

async function filled(
  records: number,
  configs: Record<string, number>,
): Promise<{ storage: MemoryStorage; clock: ManualClock; broker: Broker }> {
  const storage = memoryStorage();
  const clock = new ManualClock();
  const broker = await openBroker(testWorld(storage, clock));
  await broker.createTopic("t", { configs });
  for (let at = 0; at < records; at += 1) await broker.produce("t", [{ value: `v${at}`, timestamp: 1000 + at }]);
  return { storage, clock, broker };
}

const expected = (records: number): string[] => Array.from({ length: records }, (_, at) => `v${at}`);

test("a torn tail above the recovery point is cut, and said with its bytes", async () => {
  const { storage } = await filled(5, {});
  const survivor = storage.crash(keepAll);
  await rewrite(survivor, "t-0/00000000000000000000.log", (bytes) => bytes.slice(0, bytes.length - 3));
  const again = await openBroker(testWorld(survivor));
  assert.deepEqual(await values(again), expected(4));
  assert.ok(again.report.truncatedBytes > 60);
  assert.match(again.report.notes.join(), /cut \d+ bytes at offset 4, after a torn batch/);
  await again.produce("t", [{ value: "next" }]);
  assert.deepEqual(await values(again), [...expected(4), "next"]);
  await again.close();
});

test("a segment lost above the recovery point takes all after it along", async () => {
  const { storage } = await filled(12, { "segment.bytes": 200 });
  const survivor = storage.crash(keepAll);
  const logs = (await survivor.list("t-0"))
    .map(({ name }) => name)
    .filter((name) => name.endsWith(".log"))
    .sort();
  assert.ok(logs.length >= 4);
  await survivor.remove(`t-0/${logs[2]}`);
  const again = await openBroker(testWorld(survivor));
  assert.deepEqual(await values(again), expected(Number(logs[2]?.slice(0, 20))));
  assert.match(again.report.notes.join(), /a gap/);
  await again.close();
});

test("the same segment lost below the recovery point is corruption: offline, nothing removed", async () => {
  const { storage, clock } = await filled(12, { "segment.bytes": 200 });
  await clock.advance(1500);
  const survivor = storage.crash(keepAll);
  const before = (await survivor.list("t-0"))
    .map(({ name }) => name)
    .filter((name) => name.endsWith(".log"))
    .sort();
  await survivor.remove(`t-0/${before[2]}`);
  const again = await openBroker(testWorld(survivor));
  const [partition] = again.describeTopic("t").partitions;
  assert.equal(partition?.state, "offline");
  assert.match(partition?.reason ?? "", /below the recovery point/);
  const after = (await survivor.list("t-0"))
    .map(({ name }) => name)
    .filter((name) => name.endsWith(".log"))
    .sort();
  assert.deepEqual(
    after,
    before.filter((_, at) => at !== 2),
  );
  await again.close();
});

function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** What a process leaves that is killed when the sync of what it appended last has failed, and before it could cut that off. */
async function killedAtAFailedSync(
  configs: Record<string, number>,
  options: MemoryStorageOptions = {},
): Promise<MemoryStorage> {
  const { storage } = await filled(4, configs);
  let left: MemoryStorage | null = null;
  let failing = false;
  const living: MemoryStorage = storage.crash(keepAll, {
    onOperation: ({ kind, paths }) => {
      if (!failing || kind !== "sync" || !paths.some((path) => path.endsWith(".log"))) return;
      left ??= living.restart(options);
      throw new StorageError("io", "EIO");
    },
  });
  const clock = new ManualClock();
  const broker = await openBroker(testWorld(living, clock));
  await clock.advance(1500);
  failing = true;
  for (let at = 4; at < 9; at += 1) {
    void broker.produce("t", [{ value: `v${at}${"-".repeat(400)}`, timestamp: 1000 + at }]).catch(() => {});
  }
  await clock.advance(20);
  assert.ok(left !== null, "no sync failed");
  return left;
}

test("what a start exposes is durable, also behind a sync that failed in a process that was killed", async () => {
  const seen = { exposed: 0, rolled: 0 };
  const shapes: readonly Record<string, number>[] = [{}, { "segment.bytes": 800 }];
  for (const configs of shapes) {
    for (let seed = 1; seed <= 40; seed += 1) {
      const left = await killedAtAFailedSync(configs);
      const second = await openBroker(testWorld(left));
      const before = await values(second);
      if (before.length > 4) seen.exposed += 1;
      if ((second.describeTopic("t").partitions[0]?.segments ?? 0) > 1) seen.rolled += 1;
      await second.produce("t", [{ value: "acknowledged" }]);
      const third = await openBroker(testWorld(left.crash(chance(seed), {})));
      assert.deepEqual(await values(third), [...before, "acknowledged"], `seed ${seed}`);
      await third.close();
    }
  }
  assert.ok(seen.exposed >= 40 && seen.rolled >= 20, JSON.stringify(seen));
});

test("what a start exposes is what it has checked, whatever leaves the cache meanwhile", async () => {
  const seen = { exposed: 0, cut: 0, evicted: 0 };
  const shapes: readonly Record<string, number>[] = [{}, { "segment.bytes": 800 }];
  for (const configs of shapes) {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = chance(seed * 7919);
      const evicts = (): boolean => {
        const isEvicted = random() < 0.15;
        if (isEvicted) seen.evicted += 1;
        return isEvicted;
      };
      const left = await killedAtAFailedSync(configs, { evicts });
      const second = await openBroker(testWorld(left));
      const end = second.offsets("t", 0).latest;
      seen[end > 4 ? "exposed" : "cut"] += 1;
      await second.produce("t", [{ value: "acknowledged" }]);
      const read = await values(second);
      assert.equal(read.length, end + 1, `seed ${seed}`);
      assert.equal(read.at(-1), "acknowledged");
      const third = await openBroker(testWorld(left.crash(random, {})));
      assert.deepEqual(await values(third), read, `seed ${seed}`);
      await third.close();
    }
  }
  assert.ok(seen.exposed >= 30 && seen.cut >= 3 && seen.evicted >= 30, JSON.stringify(seen));
});

test("a start writes over themselves only the bytes that no recovery point covers", async () => {
  const { storage, clock, broker } = await filled(6, { "segment.bytes": 400 });
  await clock.advance(1500);
  const covered = broker.describeTopic("t").partitions[0]?.sizeBytes ?? 0;
  for (const at of [6, 7]) await broker.produce("t", [{ value: `v${at}`, timestamp: 1000 + at }]);
  const rewritten: number[] = [];
  const again = await openBroker(
    testWorld(
      storage.crash(keepAll, {
        onOperation: ({ kind, paths: [path], sizeBytes }) => {
          if (kind === "rewrite" && path?.endsWith(".log")) rewritten.push(sizeBytes ?? -1);
        },
      }),
    ),
  );
  assert.deepEqual(await values(again), expected(8));
  const { sizeBytes = 0, segments } = again.describeTopic("t").partitions[0] ?? {};
  assert.equal(segments, 2);
  const batchBytes = (sizeBytes - covered) / 2;
  // The second segment begins with offset 5; the recovery point is 6.
  assert.deepEqual(rewritten, [2 * batchBytes]);
  await again.close();
});

test("a snapshot at the recovery point itself is made durable by the start that believes it", async () => {
  const { storage, broker } = await filled(3, {});
  await broker.close();
  const path = "t-0/00000000000000000003.snapshot";
  let failing = false;
  let reads = 0;
  const left = storage.restart({
    onOperation: ({ kind, paths }) => {
      if (failing && kind === "sync") throw new StorageError("io", "EIO");
      if (kind === "read" && paths[0] === path) reads += 1;
    },
    // What is read once more is not there any more.
    evicts: () => reads > 1,
  });
  const bytes = await contents(left, path);
  await left.remove(".kafka_cleanshutdown");
  await left.remove(path);
  const file = left.create(path);
  file.append(bytes);
  failing = true;
  await assert.rejects(left.sync([file]), StorageError);
  failing = false;
  reads = 0;
  for (const folder of ["", "t-0"]) await left.syncDirectory(folder);
  const second = await openBroker(testWorld(left));
  assert.equal(second.report.cleanShutdown, false);
  assert.deepEqual(
    await contents(
      left.crash(() => 0, {}),
      path,
    ),
    bytes,
  );
});

test("indexes that are missing, cut or scribbled on are rebuilt, and said", async () => {
  for (const damage of ["missing", "cut", "scribbled"]) {
    const { storage, broker } = await filled(60, { "segment.bytes": 1500, "index.interval.bytes": 0 });
    await broker.close();
    void storage;
    const again = memoryStorage();
    await copyTree(storage.crash(keepAll), again, "");
    for (const { name } of await again.list("t-0")) {
      if (!name.endsWith("index")) continue;
      if (damage === "missing") await again.remove(`t-0/${name}`);
      else if (damage === "cut") await rewrite(again, `t-0/${name}`, (bytes) => bytes.slice(0, bytes.length - 5));
      else await rewrite(again, `t-0/${name}`, (bytes) => bytes.map((byte, at) => (at % 8 === 3 ? byte ^ 9 : byte)));
    }
    const opened = await openBroker(testWorld(again));
    for (let at = 0; at < 60; at += 7) {
      assert.equal((await values(opened, at))[0], `v${at}`, `${damage}, offset ${at}`);
      assert.deepEqual(
        await opened.offsetForTimestamp("t", 0, 1000 + at),
        { offset: at, timestamp: 1000 + at },
        damage,
      );
    }
    assert.equal(opened.describeTopic("t").partitions[0]?.state, "online");
    if (damage !== "scribbled") assert.ok(opened.report.rebuiltIndexes > 0, damage);
    await opened.close();
  }
});

test("indexes of a segment that was synced before it was closed are made anew after a crash", async () => {
  const { storage, clock, broker } = await filled(3, { "segment.bytes": 250, "index.interval.bytes": 4096 });
  const bases = async (): Promise<number[]> =>
    (await storage.list("t-0"))
      .flatMap(({ name }) => (name.endsWith(".log") ? [Number(name.slice(0, 20))] : []))
      .sort();
  // All of it is synced, and recorded as such, when the segment is closed by what comes next.
  for (let end = 3; (await bases()).at(-1) !== end; ) {
    end = broker.offsets("t", 0).latest;
    await clock.advance(1500);
    await broker.produce("t", [{ value: "more", timestamp: 5000 + end }]);
  }
  const closed = (await bases()).at(-2) as number;
  const survivor = storage.crash(keepAll);
  const path = `t-0/${String(closed).padStart(20, "0")}.timeindex`;
  await rewrite(survivor, path, (bytes) => new Uint8Array(bytes.length));
  const again = await openBroker(testWorld(survivor));
  await again.close();
  const left = survivor.restart({});
  const findings: string[] = [];
  for await (const { kind, file } of verifyDataFolder({ storage: left, kernel: testWorld(left).kernel }))
    findings.push(`${kind} ${file}`);
  assert.deepEqual(findings, []);
});

/** What a process leaves that ends between the two indexes of a segment, at whose end the recovery point had been recorded. */
async function endedBetweenIndexes(): Promise<MemoryStorage> {
  const { storage } = await filled(3, { "segment.bytes": 380, "index.interval.bytes": 0 });
  let left: MemoryStorage | null = null;
  // The second life finds an index in its files that leads as far as the first had come.
  const living: MemoryStorage = storage.crash(keepAll, {
    onOperation: ({ kind, paths: [path] }) => {
      if (kind === "append" && path === "t-0/00000000000000000000.timeindex" && clock.monotonic() > 0) {
        left = living.restart({});
      }
    },
  });
  const clock = new ManualClock();
  const broker = await openBroker(testWorld(living, clock));
  // The latest by time is neither the last of them nor of those that the first life wrote.
  for (const timestamp of [1_000_000, 1003]) await broker.produce("t", [{ value: "v", timestamp }]);
  await clock.advance(1500);
  assert.equal(broker.describeTopic("t").partitions[0]?.segments, 1);
  void broker.produce("t", [{ value: "next", timestamp: 2_000_000 }]).catch(() => {});
  await clock.advance(1);
  assert.ok(left !== null, "the segment did not roll");
  return left;
}

test("indexes of a segment that ended where the recovery point lay are made anew after a crash: nothing has synced them", async () => {
  const left = await endedBetweenIndexes();
  assert.equal(text(await contents(left, "recovery-point-offset-checkpoint")), "0\n1\nt 0 5\n");
  assert.deepEqual(await found(left), []);
  const broker = await openBroker(testWorld(left));
  assert.deepEqual([broker.report.cleanShutdown, broker.report.rebuiltIndexes], [false, 0]);
  assert.equal(broker.describeTopic("t").partitions[0]?.segments, 2);
  assert.deepEqual(await broker.offsetForTimestamp("t", 0, 900_000), { offset: 3, timestamp: 1_000_000 });
  await broker.close();
  assert.deepEqual(await found(left.restart({})), []);
});

/** What a verification says, but for what hurts nobody. */
async function found(storage: Storage): Promise<string[]> {
  const said: string[] = [];
  for await (const { severity, file, message } of verifyDataFolder({ storage, kernel: createTwinKernel() })) {
    if (severity !== "note") said.push(`${severity} ${file}: ${message}`);
  }
  return said;
}

test("a deletion that a crash interrupts anywhere leaves no file of a segment whose log is gone", async () => {
  const files = async (storage: Storage): Promise<string[]> =>
    (await storage.list("t-0")).map(({ name }) => name).filter((name) => /\.(log|index|timeindex)$/.test(name));
  let interrupted = 0;
  let said = 0;
  for (const chance of [0, 0.3, 0.999, "process"] as const) {
    for (let at = 1; ; at += 1) {
      const { storage, broker } = await filled(6, { "segment.bytes": 100, "index.interval.bytes": 0 });
      await broker.close();
      let left: MemoryStorage | null = null;
      let removals = 0;
      const living: MemoryStorage = storage.restart({
        onOperation: ({ kind, paths: [path] }) => {
          if (kind !== "remove" || path?.startsWith("t-0/") !== true || !/\.(log|index|timeindex)$/.test(path)) return;
          removals += 1;
          if (removals === at) left = chance === "process" ? living.restart({}) : living.crash(() => chance, {});
        },
      });
      const deleting = await openBroker(testWorld(living));
      await deleting.deleteRecords("t", 0, 4).catch(() => {});
      if (left === null) break;
      interrupted += 1;
      const again = await openBroker(testWorld(left));
      assert.deepEqual(await values(again, 4), ["v4", "v5"]);
      const names = await files(left);
      const logs = names.filter((name) => name.endsWith(".log")).map((name) => name.slice(0, 20));
      assert.deepEqual(
        names.filter((name) => !logs.includes(name.slice(0, 20))),
        [],
        `before removal ${at}, ${chance}`,
      );
      assert.equal(logs.length, 2);
      said += again.report.notes.filter((note) =>
        note.includes("the .log that it is the index of is not there"),
      ).length;
      await again.close();
      // It stays so, whatever becomes of what this start has not synced.
      const third = await openBroker(testWorld((left as MemoryStorage).crash(() => 0, {})));
      assert.deepEqual(third.report.notes, []);
      await third.close();
    }
  }
  assert.equal(interrupted, 4 * 12);
  assert.ok(said > 0, "no index was left over");
});

async function contents(storage: Storage, path: string): Promise<Uint8Array> {
  const file = await storage.open(path);
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

async function copyTree(from: Storage, to: Storage, folder: string): Promise<void> {
  for (const entry of await from.list(folder)) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.kind === "directory") {
      await to.makeDirectory(path);
      await copyTree(from, to, path);
      continue;
    }
    const file = await from.open(path);
    const bytes = new Uint8Array(file.sizeBytes);
    await file.read(bytes, 0);
    to.create(path).append(bytes);
  }
}

test("producer state, epochs and indexes rebuilt from the log alone say the same", async () => {
  const { storage, broker } = await filled(3, { "segment.bytes": 300 });
  const { producerId } = await broker.allocateProducer();
  for (let sequence = 0; sequence < 9; sequence += 1) {
    await broker.produce("t", [{ value: `p${sequence}` }], {
      partition: 0,
      producer: { producerId, producerEpoch: 0, sequence },
    });
  }
  const survivor = storage.crash(keepAll);
  for (const { name } of await survivor.list("t-0")) {
    if (!name.endsWith(".log") && name !== "partition.metadata") await survivor.remove(`t-0/${name}`);
  }
  const again = await openBroker(testWorld(survivor));
  const retry = async (sequence: number): Promise<unknown> =>
    (
      await again.produce("t", [{ value: `p${sequence}` }], {
        partition: 0,
        producer: { producerId, producerEpoch: 0, sequence },
      })
    )[0];
  assert.deepEqual(await retry(5), { partition: 0, offset: 8, timestamp: 1_700_000_000_000, duplicate: true });
  assert.ok(((await retry(10)) as { error: MoldauError }).error.code === "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assert.equal(((await retry(9)) as { offset: number }).offset, 12);
  await again.close();
});

test("what is not Moldau's, or newer than this Moldau, is refused with what to do", async () => {
  const refused = async (prepare: (storage: MemoryStorage) => Promise<void>): Promise<string> => {
    const storage = memoryStorage();
    const broker = await openBroker(testWorld(storage));
    await broker.createTopic("t");
    const survivor = storage.crash(keepAll);
    await prepare(survivor);
    const error = await openBroker(testWorld(survivor)).then(
      () => assert.fail("it opened"),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof MoldauError && error.code === "DATA_FOLDER_UNUSABLE", String(error));
    return error.message;
  };
  assert.match(
    await refused(async (storage) => storage.create("notes.txt").append(new Uint8Array(1))),
    /notes\.txt.*--data-dir/,
  );
  assert.match(
    await refused(async (storage) => storage.create("t-0/notes.txt").append(new Uint8Array(1))),
    /t-0\/notes\.txt/,
  );
  const newer = (bytes: Uint8Array): Uint8Array =>
    new TextEncoder().encode(text(bytes).replace("format.version=1", "format.version=2"));
  assert.match(await refused((storage) => rewrite(storage, "meta.properties", newer)), /format 2.*knows up to 1/);
  for (const line of ["cluster.id=", "node.id="]) {
    const without = (bytes: Uint8Array): Uint8Array => new TextEncoder().encode(text(bytes).replace(line, "other="));
    assert.match(
      await refused((storage) => rewrite(storage, "meta.properties", without)),
      /no cluster.id or no node.id/,
    );
  }
  assert.match(
    await refused((storage) => rewrite(storage, "recovery-point-offset-checkpoint", () => new Uint8Array(3))),
    /damaged/,
  );
  assert.match(await refused((storage) => storage.remove("metadata")), /no metadata folder/);
});

test("a retry is recognised after the segments it lay in are gone and a crash took the snapshot", async () => {
  const { storage, clock, broker } = await filled(0, {});
  const { producerId } = await broker.allocateProducer();
  const send = (to: Broker, sequence: number): Promise<unknown[]> =>
    to.produce("t", [{ value: `p${sequence}` }], {
      partition: 0,
      producer: { producerId, producerEpoch: 0, sequence },
    });
  for (let sequence = 0; sequence < 3; sequence += 1) await send(broker, sequence);
  // What a crash right after a roll may leave: the next segment, and no snapshot.
  const survivor = storage.crash(keepAll);
  survivor.create("t-0/00000000000000000003.log");
  const second = await openBroker(testWorld(survivor, clock));
  await second.deleteRecords("t", 0, -1);
  assert.equal(second.describeTopic("t").partitions[0]?.segments, 1);
  const third = await openBroker(
    testWorld(
      survivor.crash(() => 0),
      clock,
    ),
  );
  assert.deepEqual(await send(third, 2), [{ partition: 0, offset: 2, timestamp: clock.now(), duplicate: true }]);
  await third.close();
});

test("how far producers had come is read from what a deletion has left, where a crash tore the snapshot behind it", async () => {
  const { storage, clock, broker } = await filled(0, { "segment.bytes": 100 });
  const { producerId } = await broker.allocateProducer();
  const send = (to: Broker, sequence: number): Promise<unknown[]> =>
    to.produce("t", [{ value: `p${sequence}` }], {
      partition: 0,
      producer: { producerId, producerEpoch: 0, sequence },
    });
  for (let sequence = 0; sequence < 3; sequence += 1) await send(broker, sequence);
  const second = "t-0/00000000000000000001.log";
  let kept: Uint8Array = new Uint8Array(0);
  await rewrite(storage, second, (bytes) => (kept = bytes));
  await broker.deleteRecords("t", 0, 2);
  // Power went before the second segment's removal was durable, and before the snapshot behind it was synced.
  const survivor = storage.restart({});
  survivor.create(second).append(kept);
  await rewrite(survivor, "t-0/00000000000000000002.snapshot", (bytes) => bytes.slice(0, 5));
  const again = await openBroker(testWorld(survivor, clock));
  assert.match(again.report.notes.join(), /00001.log: deleted, it lies below the log start offset 2/);
  assert.deepEqual(await send(again, 1), [{ partition: 0, offset: 1, timestamp: clock.now(), duplicate: true }]);
  assert.deepEqual(await send(again, 3), [{ partition: 0, offset: 3, timestamp: clock.now(), duplicate: false }]);
  await assert.rejects(survivor.open(second));
  await again.close();
});

/** A folder closed in order, then changed in one file; and a broker that believes it. */
async function reopened(
  configs: Record<string, number>,
  change: (bytes: Uint8Array, path: string) => Uint8Array,
): Promise<Broker> {
  const { storage, broker } = await filled(12, configs);
  await broker.close();
  const survivor = storage.restart();
  for (const { name } of await survivor.list("t-0")) {
    if (name.endsWith(".log")) await rewrite(survivor, `t-0/${name}`, (bytes) => change(bytes, name));
  }
  return openBroker(testWorld(survivor));
}

const corrupt = (error: unknown): boolean => error instanceof MoldauError && error.code === "CORRUPT_MESSAGE";

test("a base offset that was flipped on disk is an error to readers, never another offset or a gap", async () => {
  for (const [bit, name] of [
    [7 - 2, "into the distance"],
    [7, "onto another"],
  ] as const) {
    const broker = await reopened({}, (bytes) => {
      const view = new DataView(bytes.buffer);
      const fourth = Array.from({ length: 3 }).reduce<number>((at) => at + 12 + view.getInt32(at + 8), 0);
      bytes[fourth + bit] = (bytes[fourth + bit] as number) ^ 1;
      return bytes;
    });
    const read: number[] = [];
    await assert.rejects(async () => {
      for await (const { offset } of broker.read("t", { from: 0 })) read.push(offset);
    }, corrupt);
    assert.deepEqual(read, [0, 1, 2], name);
    await broker.close();
  }
});

/** A compacted topic with four batches of three records, opened after the second was made to end elsewhere. */
async function withFalseEnd(lastOffsetDelta: number, isIndexLost: boolean, valueBytes = 1): Promise<Broker> {
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t", { configs: { "cleanup.policy": "compact", "index.interval.bytes": 0 } });
  for (let at = 0; at < 4; at += 1) {
    await broker.produce(
      "t",
      ["a", "b", "c"].map((key) => ({ key, value: "v".repeat(valueBytes) })),
    );
  }
  await broker.close();
  const survivor = storage.restart();
  await rewrite(survivor, "t-0/00000000000000000000.log", (bytes) => {
    const view = new DataView(bytes.buffer);
    view.setInt32(12 + view.getInt32(8) + 23, lastOffsetDelta);
    return bytes;
  });
  if (isIndexLost) await survivor.remove("t-0/00000000000000000000.index");
  return openBroker(testWorld(survivor));
}

test("a batch that says it ends before its end is an error to readers of a compacted log, and no gap", async () => {
  for (const delta of [0, 1, -9]) {
    for (const isIndexLost of [false, true]) {
      for (const offset of [0, 3, 4, 5]) {
        const broker = await withFalseEnd(delta, isIndexLost);
        const reading = broker.fetchRecords("t", 0, { offset, limit: 100 });
        await assert.rejects(
          reading,
          corrupt,
          `${delta}, ${isIndexLost ? "an index made anew" : "its index"}, ${offset}`,
        );
        await broker.close();
      }
      const broker = await withFalseEnd(delta, isIndexLost);
      assert.equal((await broker.fetchRecords("t", 0, { offset: 6, limit: 100 })).records.length, 6);
      await broker.close();
    }
  }
  // One that is read in several pieces.
  const broker = await withFalseEnd(0, false, 50_000);
  await assert.rejects(broker.fetchRecords("t", 0, { offset: 4, limit: 100 }), corrupt);
  await broker.close();
});

test("the last batch of a segment that says it ends before its end, while the log is open, is no gap to the next one", async () => {
  for (const offset of [4, 5]) {
    const storage = memoryStorage();
    const broker = await openBroker(testWorld(storage));
    await broker.createTopic("t", { configs: { "cleanup.policy": "compact", "segment.bytes": 1024 } });
    const three = ["a", "b", "c"].map((key) => ({ key, value: "v".repeat(100) }));
    for (let at = 0; at < 6; at += 1) await broker.produce("t", three);
    await broker.close();
    const survivor = storage.restart();
    const again = await openBroker(testWorld(survivor));
    assert.ok((await survivor.list("t-0")).some(({ name }) => name === "00000000000000000006.log"));
    await rewrite(survivor, "t-0/00000000000000000000.log", (bytes) => {
      const view = new DataView(bytes.buffer);
      view.setInt32(12 + view.getInt32(8) + 23, 0);
      return bytes;
    });
    await assert.rejects(again.fetchRecords("t", 0, { offset, limit: 100 }), corrupt, `${offset}`);
    await again.close();
  }
});

test("a log below the recovery point whose first batches are gone answers with an error, and not for ever with nothing", async () => {
  const broker = await reopened({ "index.interval.bytes": 100 }, (bytes) => bytes.fill(0, 0, 200));
  await assert.rejects(values(broker), corrupt);
  await broker.close();
});

test("a segment that begins with another offset than its name is corruption below the recovery point", async () => {
  const broker = await reopened({ "segment.bytes": 300 }, (bytes, path) => {
    if (!path.startsWith("00000000000000000000")) new DataView(bytes.buffer).setUint8(7, 0xee);
    return bytes;
  });
  const [partition] = broker.describeTopic("t").partitions;
  assert.equal(partition?.state, "offline");
  assert.match(partition?.reason ?? "", /its first batch has offset 238, not \d+, below the recovery point/);
  await broker.close();
});
