import assert from "node:assert/strict";
import test from "node:test";
import { verifyDataFolder } from "../broker/inspect/verify-data-folder.ts";
import { openBroker } from "../broker/open.ts";
import type { Broker } from "../broker/types.ts";
import { ManualClock, testWorld } from "../broker/world.test.support.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { StorageError, type StorageErrorKind, type StorageFile } from "../port/storage.ts";
import type { StorageOperation } from "../port/storage-operation.ts";
import { type MemoryStorage, memoryStorage } from "../storage/memory.ts";
import { IndexResidency, Segment } from "./segment.ts";

const start = 1_700_000_000_000;
const kernel = createTwinKernel();
const text = (bytes: Uint8Array | null): string => new TextDecoder().decode(bytes ?? new Uint8Array(0));

/** The latest by time is neither the last of a segment nor of what the first life writes: half a time index misses it. */
const timesOfFirstLife = [10, 12, 11];
const timesOfSecondLife = [500_000, 9, 600_000, 600_001, 14, 15, 17];
const allTimes = [...timesOfFirstLife, ...timesOfSecondLife, 16].map((time) => start + time);

/** What is right, by the records alone. */
function firstAtOrAfter(timestamp: number): number | null {
  const at = allTimes.findIndex((time) => time >= timestamp);
  return at < 0 ? null : at;
}

async function demandTruth(broker: Broker, when: string): Promise<void> {
  const [partition] = broker.describeTopic("t").partitions;
  assert.deepEqual(
    [partition?.state, partition?.logEndOffset, partition?.segments],
    ["online", allTimes.length, 3],
    when,
  );
  const read: string[] = [];
  for await (const record of broker.read("t")) read.push(text(record.value));
  assert.deepEqual(
    read,
    allTimes.map((_, at) => `v${at}`),
    when,
  );
  for (const time of allTimes) {
    for (const asked of [time - 1, time, time + 1]) {
      const { offset } = await broker.offsetForTimestamp("t", 0, asked);
      assert.equal(offset, firstAtOrAfter(asked), `${when}: at ${asked - start}`);
    }
  }
  assert.equal((await broker.offsetOfMaxTimestamp("t", 0)).offset, 6, when);
}

interface Mood {
  kind: StorageErrorKind;
  fails(operation: StorageOperation): boolean;
}

/** Nothing fails until the mood does. */
async function secondLife(mood: Mood, intervalBytes: number): Promise<MemoryStorage> {
  const configs = { "segment.bytes": 380, "index.interval.bytes": intervalBytes };
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t", { configs });
  for (const [at, time] of timesOfFirstLife.entries()) {
    await broker.produce("t", [{ value: `v${at}`, timestamp: start + time }]);
  }
  await broker.close();
  return storage.restart({
    onOperation: (operation) => {
      const { kind, paths } = operation;
      if (mood.fails(operation)) throw new StorageError(mood.kind, `${kind} ${paths[0]}`);
    },
  });
}

const isOf = ({ paths: [path] }: StorageOperation, kinds: readonly string[]): boolean =>
  kinds.some((kind) => path === `t-0/00000000000000000000.${kind}` || path === `t-0/00000000000000000005.${kind}`);

/** How a life ends, and what the next finds. */
const ends: Record<string, (storage: MemoryStorage, broker: Broker) => Promise<MemoryStorage>> = {
  stop: async (storage, broker) => {
    await broker.close();
    return storage.crash(() => 0, {});
  },
  kill: async (storage) => storage.restart({}),
  ...Object.fromEntries(
    [0, 0.6].map((chance) => [
      `loss of power ${chance}`,
      async (storage: MemoryStorage) => storage.crash(() => chance, {}),
    ]),
  ),
};

for (const kind of ["no-space", "io"] as const) {
  for (const unwritten of [["timeindex"], ["index"]]) {
    for (const unremoved of [[], ["timeindex"], ["index"], ["index", "timeindex"]]) {
      const removal = unremoved.length === 0 ? "" : `, nor the removal of the ${unremoved.join(" and the ")}`;
      test(`no ${unwritten.join(" and no ")} can be written (${kind})${removal}: no fence, no lost roll, no wrong answer`, async () => {
        for (const intervalBytes of [0, 4096]) {
          for (const [end, next] of Object.entries(ends)) {
            const isFailing = { now: false };
            const mood: Mood = {
              kind,
              fails: (operation) =>
                isFailing.now &&
                ((operation.kind === "append" && isOf(operation, unwritten)) ||
                  (operation.kind === "create" && isOf(operation, unwritten)) ||
                  (operation.kind === "truncate" && isOf(operation, unremoved)) ||
                  (operation.kind === "remove" && isOf(operation, unremoved))),
            };
            const storage = await secondLife(mood, intervalBytes);
            const clock = new ManualClock();
            const world = testWorld(storage, clock);
            const broker = await openBroker(world);
            isFailing.now = true;
            for (const [at, time] of [...timesOfSecondLife, 16].entries()) {
              await broker.produce("t", [{ value: `v${at + 3}`, timestamp: start + time }]);
            }
            const what = `interval ${intervalBytes}, ${end}`;
            assert.ok(
              world.said.some(({ message }) => message.includes("its index was not written and will be rebuilt")),
            );
            await demandTruth(broker, `${what}, the same life`);
            // Beyond both segments: the next start believes their indexes, unless it sees that it may not.
            await clock.advance(1500);
            let found = await next(storage, broker);
            for (let life = 1; life <= 2; life += 1) {
              const again = await openBroker(testWorld(found));
              await demandTruth(again, `${what}, life ${life} after it`);
              await again.close();
              found = found.crash(() => 0, {});
            }
            assert.deepEqual(await findings(found), [], what);
          }
        }
      });
    }
  }
}

for (const kind of ["no-space", "io"] as const) {
  for (const unwritten of ["append", "truncate", "open"] as const) {
    for (const isRemoved of [true, false]) {
      const removal = isRemoved ? "" : ", and whose removal of them,";
      test(`a start whose ${unwritten} of index files${removal} fails (${kind}) takes no partition offline`, async () => {
        for (const [intervalBytes, [end, next]] of [0, 4096].flatMap((bytes) =>
          Object.entries(ends).map((one) => [bytes, one] as const),
        )) {
          const isFailing = { now: false };
          const storage = await secondLife(
            {
              kind,
              fails: (operation) =>
                isFailing.now &&
                isOf(operation, ["index", "timeindex"]) &&
                (operation.kind === unwritten || (operation.kind === "remove" && !isRemoved)),
            },
            intervalBytes,
          );
          const living = await openBroker(testWorld(storage));
          for (const [at, time] of [...timesOfSecondLife, 16].entries()) {
            await living.produce("t", [{ value: `v${at + 3}`, timestamp: start + time }]);
          }
          isFailing.now = true;
          const killed = storage.restart();
          const clock = new ManualClock();
          const broker = await openBroker(testWorld(killed, clock));
          assert.match(broker.report.notes.join("\n"), /its index was not written and will be rebuilt/);
          const what = `interval ${intervalBytes}, ${end}`;
          await demandTruth(broker, `${what}, the start itself`);
          await clock.advance(1500);
          let found = await next(killed, broker);
          for (let life = 1; life <= 2; life += 1) {
            const again = await openBroker(testWorld(found));
            await demandTruth(again, `${what}, life ${life} after it`);
            await again.close();
            found = found.crash(() => 0, {});
          }
          assert.deepEqual(await findings(found), [], what);
        }
      });
    }
  }
}

interface Alone {
  readonly storage: MemoryStorage;
  readonly segment: Segment;
  readonly rebuilt: string[];
  readonly disk: { isFull: boolean; fails: (operation: StorageOperation) => boolean };
}

/** A segment of four batches without a log around it; what needs room fails while the disk is full. */
async function alone(times: readonly number[] = [0, 1, 2, 3]): Promise<Alone> {
  const disk: Alone["disk"] = { isFull: false, fails: () => false };
  const storage = memoryStorage({
    onOperation: (operation) => {
      const { kind, paths } = operation;
      const [path] = paths;
      const needsRoom = kind === "remove" || kind === "truncate" || (kind === "append" && path?.endsWith(".index"));
      if (disk.fails(operation)) throw new StorageError("io", `${kind} ${path}`);
      if (disk.isFull && needsRoom) throw new StorageError("no-space", `${kind} ${path}`);
    },
  });
  await storage.makeDirectory("t-0");
  const log = storage.create("t-0/00000000000000000000.log");
  for (const [at, time] of times.entries()) {
    const bytes = batch("v", time);
    new DataView(bytes.buffer).setBigInt64(0, BigInt(at));
    log.append(bytes);
  }
  const rebuilt: string[] = [];
  const context = {
    ...{ storage, kernel, folder: "t-0", indexes: new IndexResidency(1000) },
    ...{ rebuilt: (path: string) => rebuilt.push(path), indexIntervalBytes: () => 0 },
  };
  return { storage, segment: new Segment(context, 0, log, 0), rebuilt, disk };
}

/** Told of every handle that is opened from now on, and of its end. */
function openHandles(storage: MemoryStorage): Set<StorageFile> {
  const handles = new Set<StorageFile>();
  const watched = (file: StorageFile): StorageFile => {
    const close = file.close.bind(file);
    file.close = () => {
      handles.delete(file);
      return close();
    };
    handles.add(file);
    return file;
  };
  const create = storage.create.bind(storage);
  const open = storage.open.bind(storage);
  storage.create = (path) => watched(create(path));
  storage.open = async (path) => watched(await open(path));
  return handles;
}

test("no handle stays open of index files that cannot be opened, written, removed or synced", async () => {
  let failures = 0;
  for (const failing of [["open"], ["append", "remove"], ["append", "remove", "sync"]]) {
    for (const kind of ["index", "timeindex"]) {
      const { storage, segment, disk } = await alone();
      const handles = openHandles(storage);
      await segment.load(true);
      await segment.removeIndexFiles();
      assert.equal(handles.size, 0);
      for (const one of ["index", "timeindex"]) storage.create(`t-0/00000000000000000000.${one}`);
      for (const file of handles) await file.close();
      disk.fails = (operation) => failing.includes(operation.kind) && isOf(operation, [kind]);
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        await segment.writeIndexes(false).catch(async (error: unknown) => {
          failures += 1;
          await segment.abandonIndexFiles(error);
        });
        assert.deepEqual(
          [...handles].map(({ path }) => path),
          [],
          `${failing} of the ${kind}`,
        );
      }
    }
  }
  assert.ok(failures >= 12, `${failures}`);
});

test("index files that could neither be written nor removed are not read again in the same life", async () => {
  const { segment, rebuilt, disk } = await alone();
  await segment.load(true);
  assert.equal(rebuilt.length, 1);
  segment.deactivate();
  disk.isFull = true;
  await assert.rejects(segment.writeIndexes(true), StorageError);
  const said = await segment.abandonIndexFiles(new StorageError("no-space", "it is full"));
  assert.match(said, /will be rebuilt: it is full; what is left of it stays: remove t-0\/0+\.index/);
  segment.dropIndexes();
  const sizeBytes = segment.log.sizeBytes / 4;
  for (let at = 0; at < 4; at += 1) assert.equal(await segment.positionOf(at), at * sizeBytes);
  assert.equal(rebuilt.length, 2);
  disk.isFull = false;
  segment.dropIndexes();
  await segment.positionOf(3);
  assert.equal(rebuilt.length, 3);
  // Now they are whole.
  segment.dropIndexes();
  await segment.positionOf(3);
  assert.equal(rebuilt.length, 3);
});

test("nothing is put behind what a bad index file holds that could not be emptied", async () => {
  const { storage, segment, rebuilt, disk } = await alone();
  storage.create("t-0/00000000000000000000.index").append(new Uint8Array(16));
  disk.isFull = true;
  await segment.load(true);
  assert.equal(rebuilt.length, 1);
  disk.isFull = false;
  segment.deactivate();
  const contents = segment.indexContents().map(([, bytes]) => [...bytes]);
  const files = await segment.writeIndexes(true);
  const written: number[][] = [];
  for (const file of files) {
    const bytes = new Uint8Array(file.sizeBytes);
    await file.read(bytes, 0);
    written.push([...bytes]);
  }
  assert.deepEqual(written, contents);
});

// ---- records without a time ----------------------------------------------------------------

function batch(value: string, time: number): Uint8Array {
  const record = { key: null, value: new TextEncoder().encode(value), headers: [], timestamp: Math.max(0, time) };
  const bytes = kernel.encodeBatch([record]).slice();
  const view = new DataView(bytes.buffer);
  if (time < 0) for (const at of [27, 35]) view.setBigInt64(at, -1n);
  view.setUint32(17, kernel.crc32c(bytes.subarray(21)));
  return bytes;
}

/** Segments of five batches, of which each has only the times that are given; stopped in order. */
async function stopped(times: readonly number[], intervalBytes: number): Promise<MemoryStorage> {
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t", { configs: { "segment.bytes": 380, "index.interval.bytes": intervalBytes } });
  for (const [at, time] of times.entries()) await broker.appendBatches("t", 0, batch(`v${at}`, time));
  await broker.close();
  return storage;
}

const timeless = Array.from({ length: 18 }, () => -1);

test("a clean start believes the empty time index of a segment of which no record has a time", async () => {
  for (const intervalBytes of [0, 150, 4096]) {
    const storage = await stopped(timeless, intervalBytes);
    const writes: string[] = [];
    let readBytes = 0;
    const again = storage.restart({
      trace: ({ kind, paths: [path], sizeBytes }) => {
        if (path?.startsWith("t-0/000000000000000000") !== true) return;
        if (kind === "read" && path.endsWith(".log")) readBytes += sizeBytes ?? 0;
        else if (kind !== "read" && kind !== "open") writes.push(`${kind} ${path}`);
      },
    });
    const world = testWorld(again);
    const broker = await openBroker(world);
    assert.deepEqual([broker.report.cleanShutdown, broker.report.rebuiltIndexes], [true, 0]);
    assert.deepEqual([writes, world.said.filter(({ level }) => level !== "info")], [[], []]);
    // Each header once; what the look at a segment's first header reads, and the walk of the producers, are as much.
    const { sizeBytes = 0 } = broker.describeTopic("t").partitions[0] ?? {};
    assert.ok(readBytes <= 3 * sizeBytes, `${readBytes} bytes of ${sizeBytes} read`);
    for (const [at] of timeless.entries()) {
      assert.equal(
        text((await broker.fetchRecords("t", 0, { offset: at, limit: 1 })).records[0]?.value ?? null),
        `v${at}`,
      );
    }
    assert.equal((await broker.offsetForTimestamp("t", 0, 0)).offset, null);
    await broker.close();
    assert.deepEqual(await findings(again.restart({})), []);
  }
});

test("the time index of a segment whose records have times is made anew when it is lost, however few have one", async () => {
  const times = [-1, -1, start, -1, -1, -1, start + 1, -1, -1, -1];
  for (const intervalBytes of [0, 150, 4096]) {
    for (const damage of ["removed", "emptied", "cut"]) {
      const storage = (await stopped([...times, ...timeless], intervalBytes)).restart({});
      const path = "t-0/00000000000000000005.timeindex";
      if (damage === "removed") await storage.remove(path);
      else {
        const file = await storage.open(path);
        await file.truncate(damage === "cut" ? 5 : 0);
        await file.close();
      }
      const broker = await openBroker(testWorld(storage));
      assert.deepEqual([broker.report.cleanShutdown, broker.report.rebuiltIndexes], [true, 1], damage);
      for (const [at, offset] of [2, 6].entries()) {
        assert.equal((await broker.offsetForTimestamp("t", 0, start + at)).offset, offset, damage);
      }
      await broker.close();
      const last = await openBroker(testWorld(storage.restart({})));
      assert.equal(last.report.rebuiltIndexes, 0, damage);
      await last.close();
    }
  }
});

test("an offset index of records without times that leads nowhere is made anew", async () => {
  const storage = (await stopped(timeless, 0)).restart({});
  const file = await storage.open("t-0/00000000000000000005.index");
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  await file.truncate(0);
  file.append(bytes);
  await file.close();
  const broker = await openBroker(testWorld(storage));
  assert.equal(broker.report.rebuiltIndexes, 1);
  await broker.close();
});

test("a closed segment's empty time index is read again in the same life without being made anew", async () => {
  const { segment, rebuilt } = await alone(timeless.slice(0, 4));
  segment.resetIndexes();
  await segment.rebuildIndexes();
  segment.deactivate();
  await segment.writeIndexes(true);
  segment.dropIndexes();
  assert.equal(await segment.positionOf(3), (segment.log.sizeBytes / 4) * 3);
  assert.equal(rebuilt.length, 1);
});

async function findings(storage: MemoryStorage): Promise<string[]> {
  const said: string[] = [];
  for await (const { severity, file, message } of verifyDataFolder({ storage, kernel })) {
    if (severity !== "note") said.push(`${severity} ${file}: ${message}`);
  }
  return said;
}
