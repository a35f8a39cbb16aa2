import assert from "node:assert/strict";
import test from "node:test";
import { openBroker } from "../broker/open.ts";
import type { Broker } from "../broker/types.ts";
import { testWorld } from "../broker/world.test.support.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import type { Storage } from "../port/storage.ts";
import { type MemoryStorage, memoryStorage } from "../storage/memory.ts";
import { BatchHeader } from "./record-batch.ts";
import { IndexResidency, Segment } from "./segment.ts";

const start = 1_700_000_000_000;
const kernel = createTwinKernel();

async function scribble(storage: Storage, path: string): Promise<void> {
  const file = await storage.open(path);
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  await file.truncate(0);
  // Every other entry leads nowhere; the last one is right.
  file.append(bytes.map((byte, at) => (at % 16 === 7 && at < bytes.length - 16 ? byte ^ 5 : byte)));
  await storage.sync([file]);
  await file.close();
}

/** A log of 60 records, a second apart, stopped in order. */
async function stopped(segmentBytes: number): Promise<MemoryStorage> {
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t", { configs: { "index.interval.bytes": 0, "segment.bytes": segmentBytes } });
  for (let at = 0; at < 60; at += 1) await broker.produce("t", [{ value: `${at}`, timestamp: start + at * 1000 }]);
  await broker.close();
  return storage.restart();
}

async function offsetsAt(broker: Broker): Promise<(number | null)[]> {
  const found: (number | null)[] = [];
  for (let at = 0; at < 60; at += 1) found.push((await broker.offsetForTimestamp("t", 0, start + at * 1000)).offset);
  return found;
}

const everyOffset = Array.from({ length: 60 }, (_, at) => at);

test("an index that is made anew while batches come is right for those before and after", async () => {
  const storage = await stopped(1_000_000);
  await scribble(storage, "t-0/00000000000000000000.index");
  const world = testWorld(storage);
  const broker = await openBroker({ ...world, tailCacheBytes: 0 });
  const late = [{ value: "late", timestamp: start + 30_500 }];
  await broker.produce("t", late);
  const reads = everyOffset.map((offset) => broker.fetchRecords("t", 0, { offset, limit: 1 }));
  await Promise.all(Array.from({ length: 30 }, () => broker.produce("t", late)));
  for (const [offset, read] of (await Promise.all(reads)).entries()) assert.equal(read.records[0]?.offset, offset);
  assert.ok(world.said.some(({ message }) => message.includes("rebuilt")));
  assert.deepEqual(await offsetsAt(broker), everyOffset);
  await broker.close();
  const again = await openBroker(testWorld(storage.restart()));
  assert.equal(again.report.rebuiltIndexes, 0);
  assert.deepEqual(await offsetsAt(again), everyOffset);
  await again.close();
});

test("a closed segment's index that was made anew is whole after any crash", async () => {
  for (const chance of [0, 0.3, 0.6, 0.999]) {
    const storage = await stopped(1500);
    const indexes = (await storage.list("t-0")).filter(({ name }) => name.endsWith("index"));
    for (const { name } of indexes) {
      const file = await storage.open(`t-0/${name}`);
      await file.truncate(Math.max(0, file.sizeBytes - 3));
      await storage.sync([file]);
      await file.close();
    }
    const first = await openBroker(testWorld(storage));
    assert.ok(first.report.rebuiltIndexes >= indexes.length / 2 - 1);
    const survivor = storage.crash(() => chance);
    const second = await openBroker(testWorld(survivor));
    assert.deepEqual([second.report.rebuiltIndexes, second.report.offlinePartitions], [0, 0]);
    assert.deepEqual(await offsetsAt(second), everyOffset);
    await second.close();
  }
});

test("a reader of a segment that is gone does not bring its files back", async () => {
  const storage = memoryStorage();
  await storage.makeDirectory("t-0");
  const batch = kernel.encodeBatch([{ key: null, value: null, headers: [], timestamp: 5 }]);
  const file = storage.create("t-0/00000000000000000000.log");
  file.append(batch);
  const context = {
    storage,
    kernel,
    folder: "t-0",
    indexes: new IndexResidency(1000),
    rebuilt: () => {},
    indexIntervalBytes: () => 0,
  };
  const segment = new Segment(context, 0, file, 0);
  segment.resetIndexes();
  segment.noteBatch(new BatchHeader(batch), 0);
  segment.deactivate();
  await segment.writeIndexes(true);
  segment.dropIndexes();
  assert.equal(await segment.positionOf(0), 0);
  await segment.remove();
  await assert.rejects(segment.positionOf(0));
  assert.deepEqual(await storage.list("t-0"), []);
});

test("a gap counts only behind a batch that matches its checksum, however large", async () => {
  for (const damagedAt of [null, 30, 100_000, 149_999]) {
    const storage = memoryStorage();
    const context = {
      ...{ storage, kernel, folder: "", indexes: new IndexResidency(1000) },
      ...{ rebuilt: () => {}, indexIntervalBytes: () => 0 },
    };
    const file = storage.create("x");
    const segment = new Segment(context, 0, file, 0);
    segment.resetIndexes();
    const first = kernel
      .encodeBatch([{ key: null, value: new Uint8Array(150_000), headers: [], timestamp: 5 }])
      .slice();
    const second = kernel.encodeBatch([{ key: null, value: null, headers: [], timestamp: 5 }]).slice();
    new DataView(second.buffer).setUint32(4, 5);
    if (damagedAt !== null) first[damagedAt] = (first[damagedAt] as number) ^ 1;
    for (const batch of [first, second]) {
      segment.noteBatch(new BatchHeader(batch), file.sizeBytes);
      file.append(batch);
    }
    assert.equal(await segment.positionOf(3), damagedAt === null ? first.length : 0, `${damagedAt}`);
    assert.equal(await segment.positionOf(5), first.length);
  }
});

test("an index that is not in its file yet stays in memory, whatever the budget", async () => {
  const storage = memoryStorage();
  const reports: string[] = [];
  const context = {
    storage,
    kernel,
    folder: "",
    indexes: new IndexResidency(0),
    rebuilt: (path: string) => reports.push(path),
    indexIntervalBytes: () => 0,
  };
  const segments = [0, 1].map((base) => {
    const batch = kernel.encodeBatch([{ key: null, value: null, headers: [], timestamp: 5 }]).slice();
    new DataView(batch.buffer).setUint32(4, base);
    const file = storage.create(`${base}.log`);
    file.append(batch);
    const segment = new Segment({ ...context, folder: "x" }, base, file, 0);
    segment.resetIndexes();
    segment.noteBatch(new BatchHeader(batch), 0);
    segment.deactivate();
    return segment;
  });
  for (const [base, segment] of segments.entries()) assert.equal(await segment.positionOf(base), 0);
  assert.deepEqual(reports, []);
});

async function bytesOf(storage: Storage, path: string): Promise<string> {
  const file = await storage.open(path);
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  await file.close();
  return bytes.join();
}

test("an offset index that was lost is made anew by the next start, once, of an active segment and of a closed one", async () => {
  for (const manner of ["removed", "emptied"]) {
    let storage = (await stopped(2000)).restart();
    const names = (await storage.list("t-0")).map(({ name }) => `t-0/${name}`);
    const indexes = names.filter((name) => name.endsWith(".index")).sort();
    assert.ok(indexes.length > 2);
    for (const path of [indexes[0], indexes.at(-1)] as string[]) {
      const before = await bytesOf(storage, path);
      assert.notEqual(before, "");
      if (manner === "removed") await storage.remove(path);
      else await (await storage.open(path)).truncate(0);
      for (const rebuilt of [1, 0]) {
        const broker = await openBroker(testWorld(storage));
        assert.equal(broker.report.rebuiltIndexes, rebuilt, `${path} was ${manner}`);
        await broker.close();
        storage = storage.restart();
        assert.equal(await bytesOf(storage, path), before);
      }
    }
  }
});

test("an offset index without an entry is right for a segment shorter than an interval, or of one batch", async () => {
  for (const [values, interval] of [
    [["short", "as", "well"], 4096],
    [["long".repeat(1000)], 100],
  ] as const) {
    const storage = memoryStorage();
    const broker = await openBroker(testWorld(storage));
    await broker.createTopic("t", { configs: { "index.interval.bytes": interval } });
    for (const value of values) await broker.produce("t", [{ value }]);
    await broker.close();
    const restarted = storage.restart();
    assert.equal(await bytesOf(restarted, "t-0/00000000000000000000.index"), "");
    const again = await openBroker(testWorld(restarted));
    assert.equal(again.report.rebuiltIndexes, 0);
    await again.close();
  }
});

test("an index with more entries than batches fit in its log is made anew, and not read", async () => {
  for (const kind of ["index", "timeindex"]) {
    const storage = await stopped(1_000_000);
    const path = `t-0/00000000000000000000.${kind}`;
    const before = await bytesOf(storage, path);
    const file = await storage.open(path);
    file.append(new Uint8Array(1_000_000));
    await file.close();
    let readBytes = 0;
    const watched = storage.restart({
      onOperation: ({ kind: operation, sizeBytes = 0, paths }) => {
        if (operation === "read" && paths[0] === path) readBytes += sizeBytes;
      },
    });
    const broker = await openBroker(testWorld(watched));
    assert.equal(broker.report.rebuiltIndexes, 1);
    assert.equal(readBytes, 0);
    await broker.close();
    assert.equal(await bytesOf(watched.restart({}), path), before);
  }
});
