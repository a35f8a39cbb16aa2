// Over real files: an acks=all answer, and a reader's sight of a record, come after the sync
// that covers it and after the sync of the directory that names a new segment.
//
// Source: correctness.md A 18, and its mutants "no fsync before ack" and "a new segment
// acknowledged before its directory is synced", which are caught here too.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileStorage } from "../../server/runtime/node/storage.ts";
import { seed } from "../check.ts";
import { Coverage } from "../coverage.ts";
import { draw } from "../random.ts";
import { encodeBatch } from "../records.ts";
import { type Durability, kernel, openBroker, type Storage } from "../subject.ts";
import { type Happening, type LogFile, promisedTooEarly } from "./sync-order.ts";

interface Load {
  readonly durability?: Durability;
  readonly through?: (storage: Storage) => Storage;
}

interface Recorded {
  readonly record: readonly Happening[];
  readonly files: readonly LogFile[];
  readonly coverage: Coverage;
}

/** Several clients append to two partitions with small segments, others read along; all that happened, in order. */
async function load({ durability = "sync", through = (storage) => storage }: Load): Promise<Recorded> {
  const folder = await mkdtemp(join(tmpdir(), "moldau-sync-order-"));
  const record: Happening[] = [];
  const coverage = new Coverage();
  const store = fileStorage(folder, {
    trace: ({ kind, paths, sizeBytes }) => {
      const path = paths[0] ?? "";
      if (kind === "create" || kind === "syncDirectory") record.push({ kind, path });
      else if (kind === "sync") record.push({ kind, path, sizeBytes: sizeBytes ?? 0 });
      coverage.add(`store: ${kind}`);
    },
  });
  const started = performance.now();
  const broker = await openBroker({
    storage: through(store),
    kernel,
    durability,
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now() - started,
      schedule: (delayMs, run) => {
        const timer = setTimeout(run, delayMs);
        return () => clearTimeout(timer);
      },
    },
    entropy: { fill: (bytes) => draw(seed, "entropy").fill(bytes) },
    logger: { log: () => {} },
  });
  await broker.createTopic("events", { partitions: 2, configs: { "segment.bytes": 2000 } });
  const stop = new AbortController();
  const writers = Array.from({ length: 6 }, async (_, writer) => {
    const chance = draw(seed, "writer", writer);
    for (let number = 0; number < 40; number++) {
      const partition = chance.below(2);
      const acks = chance.pick(["all", "all", "leader", "none"] as const);
      const records = Array.from({ length: 1 + chance.below(4) }, () => ({
        value: `w${writer}.${number}`,
        sizeBytes: chance.below(200),
        timestamp: Date.now(),
      }));
      const { lastOffset } = await broker.appendBatches("events", partition, encodeBatch(records), { acks });
      if (acks === "all") {
        record.push({ kind: "acknowledged", folder: `events-${partition}`, endOffset: lastOffset + 1 });
        coverage.add("acknowledged");
      }
    }
  });
  const readers = [0, 1].map(async (partition) => {
    let offset = 0;
    while (!stop.signal.aborted) {
      const { highWatermark, nextOffset, records } = await broker.fetchRecords("events", partition, {
        offset,
        maxWaitMs: 20,
        signal: stop.signal,
      });
      record.push({ kind: "shown", folder: `events-${partition}`, endOffset: highWatermark });
      coverage.add("shown", records.length);
      offset = nextOffset;
    }
  });
  await Promise.all(writers);
  stop.abort();
  await Promise.allSettled(readers);
  coverage.add("rolls", broker.metrics().segmentRolls);
  await broker.close();
  const files: LogFile[] = [];
  for (const partition of ["events-0", "events-1"]) {
    for (const name of await readdir(join(folder, partition))) {
      if (!name.endsWith(".log")) continue;
      files.push({
        folder: partition,
        path: `${partition}/${name}`,
        bytes: new Uint8Array(await readFile(join(folder, partition, name))),
      });
    }
  }
  await rm(folder, { recursive: true, force: true });
  return { record, files, coverage };
}

/** The same store, but for what a liar does. */
function withLie(storage: Storage, lie: Partial<Pick<Storage, "sync" | "syncDirectory">>): Storage {
  return {
    manifest: storage.manifest,
    create: (path) => storage.create(path),
    open: (path) => storage.open(path),
    sync: (files) => storage.sync(files),
    syncDirectory: (path) => storage.syncDirectory(path),
    list: (path) => storage.list(path),
    makeDirectory: (path) => storage.makeDirectory(path),
    rename: (from, to) => storage.rename(from, to),
    remove: (path) => storage.remove(path),
    close: () => storage.close(),
    ...lie,
  };
}

test("nothing is acknowledged or shown before it is synced, on real files", async () => {
  const { record, files, coverage } = await load({});
  console.log(`the order of syncs: MOLDAU_SEED=${seed}\n${coverage.table()}`);
  assert.deepEqual(promisedTooEarly(record, files), []);
  coverage.demand({ acknowledged: 60, shown: 300, rolls: 10, "store: sync": 20, "store: syncDirectory": 5 }, 1);
});

test("caught: a broker without the sync", async () => {
  const { record, files } = await load({ through: (storage) => withLie(storage, { sync: async () => {} }) });
  assert.match(promisedTooEarly(record, files)[0] ?? "nothing found", /only 0 bytes are synced/);
});

test("caught: a broker that does not sync the directory of a new segment", async () => {
  const { record, files } = await load({ through: (storage) => withLie(storage, { syncDirectory: async () => {} }) });
  assert.match(promisedTooEarly(record, files)[0] ?? "nothing found", /the directory that names .* is not synced/);
});

test('caught: durability "os", which acknowledges before the sync', async () => {
  const { record, files } = await load({ durability: "os" });
  assert.match(promisedTooEarly(record, files)[0] ?? "nothing found", /bytes are synced/);
});
