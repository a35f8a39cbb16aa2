import assert from "node:assert/strict";
import test from "node:test";
import { MoldauError } from "../errors.ts";
import { StorageError, type StorageErrorKind } from "../port/storage.ts";
import type { StorageOperation } from "../port/storage-operation.ts";
import { type MemoryStorage, memoryStorage } from "../storage/memory.ts";
import { openBroker } from "./open.ts";
import { drain, testWorld } from "./world.test.support.ts";

const code = (expected: string) => (error: unknown) => error instanceof MoldauError && error.code === expected;

interface Faulty {
  readonly storage: MemoryStorage;
  fail(match: ((operation: StorageOperation) => boolean) | null, kind?: StorageErrorKind): void;
  /** Called at the next operation that matches, before its effect. */
  at(match: (operation: StorageOperation) => boolean, run: () => void): void;
}

function faultyStorage(): Faulty {
  let broken: ((operation: StorageOperation) => boolean) | null = null;
  let failure: StorageErrorKind = "io";
  let watched: { match: (operation: StorageOperation) => boolean; run: () => void } | null = null;
  const storage = memoryStorage({
    onOperation: (operation) => {
      if (watched?.match(operation) === true) {
        const { run } = watched;
        watched = null;
        run();
      }
      if (broken?.(operation) === true)
        throw new StorageError(failure, `${operation.kind} ${operation.paths[0]} fails`);
    },
  });
  return {
    storage,
    fail: (match, kind = "io") => {
      broken = match;
      failure = kind;
    },
    at: (match, run) => {
      watched = { match, run };
    },
  };
}

const journal = ({ kind, paths }: StorageOperation): boolean =>
  kind === "append" && paths[0]?.startsWith("metadata/") === true;

test("an added partition takes no record before the journal says that there is one", async () => {
  const { storage, at } = faultyStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  let seen: unknown;
  at(journal, () => {
    seen = [broker.describeTopic("t").partitions.length, broker.produce("t", [{ value: "x" }], { partition: 1 })];
  });
  await broker.alterTopic("t", { partitions: 2 });
  const [partitions, produced] = seen as [number, Promise<[{ error: MoldauError }]>];
  assert.equal(partitions, 1);
  assert.equal((await produced)[0].error.code, "UNKNOWN_TOPIC_OR_PARTITION");
  assert.ok(!("error" in ((await broker.produce("t", [{ value: "x" }], { partition: 1 }))[0] as object)));
  const again = await openBroker(testWorld(storage.crash(() => 0)));
  assert.deepEqual([again.offsets("t", 1).latest, again.report.offlinePartitions], [1, 0]);
  await again.close();
});

test("a full disk while a topic is made or altered leaves nothing behind, and room makes it work", async () => {
  for (const where of [
    journal,
    ({ kind, paths }: StorageOperation) => kind === "append" && paths[0]?.startsWith("t-1/") === true,
  ]) {
    const { storage, fail } = faultyStorage();
    const broker = await openBroker(testWorld(storage));
    fail(where, "no-space");
    await assert.rejects(broker.createTopic("t", { partitions: 2 }), code("KAFKA_STORAGE_ERROR"));
    assert.deepEqual(broker.listTopics(), []);
    assert.deepEqual(
      (await storage.list("")).filter(({ name }) => name.startsWith("t-")),
      [],
    );
    fail(null);
    await broker.createTopic("t");
    fail(where, "no-space");
    await assert.rejects(broker.alterTopic("t", { partitions: 3 }), code("KAFKA_STORAGE_ERROR"));
    fail(null);
    assert.equal(broker.describeTopic("t").partitions.length, 1);
    await broker.alterTopic("t", { partitions: 3, configs: { "retention.ms": 7 } });
    assert.equal(broker.describeTopic("t").configs["retention.ms"]?.value, "7");
    await broker.produce("t", [{ value: "x" }], { partition: 2 });
    const again = await openBroker(testWorld(storage.crash(() => 0)));
    assert.deepEqual([again.describeTopic("t").partitions.length, again.offsets("t", 2).latest], [3, 1]);
    await again.close();
  }
});

test("a topic whose making has an unknown effect keeps its folders, whoever tries again", async () => {
  const { storage, fail } = faultyStorage();
  const broker = await openBroker(testWorld(storage));
  fail(({ kind, paths }) => kind === "sync" && paths[0]?.endsWith(".journal") === true);
  await assert.rejects(broker.createTopic("t", { partitions: 2 }), code("KAFKA_STORAGE_ERROR"));
  fail(null);
  await assert.rejects(broker.createTopic("t", { partitions: 2 }), code("KAFKA_STORAGE_ERROR"));
  // The process ends, and the journal has it after all.
  const again = await openBroker(testWorld(storage.restart({})));
  assert.deepEqual([again.describeTopic("t").partitions.length, again.report.offlinePartitions], [2, 0]);
  await again.produce("t", [{ value: "x" }], { partition: 1 });
  await again.close();
});

test("a folder that cannot be moved does not keep a deleted topic, or its waits, alive", async () => {
  const { storage, fail } = faultyStorage();
  const world = testWorld(storage);
  const broker = await openBroker(world);
  await broker.createTopic("t", { partitions: 3 });
  for (const partition of [0, 1, 2]) await broker.produce("t", [{ value: "x" }], { partition });
  const waiting = broker.fetchBatches([{ topic: "t", partition: 2, offset: 1 }], { maxWaitMs: 60_000 });
  await drain();
  fail(({ kind, paths }) => kind === "rename" && paths[0] === "t-0");
  await broker.deleteTopic("t");
  fail(null);
  assert.equal((await waiting)[0]?.error?.code, "UNKNOWN_TOPIC_OR_PARTITION");
  assert.ok(world.said.some(({ level, message }) => level === "warn" && message.includes("t-0")));
  assert.throws(() => broker.describeTopic("t"), code("UNKNOWN_TOPIC_OR_PARTITION"));
  const again = await openBroker(testWorld(storage.restart({})));
  assert.deepEqual(again.listTopics(), []);
  await again.createTopic("t");
  assert.equal(again.offsets("t", 0).latest, 0);
  await again.close();
});

test("a fenced and an offline partition are described, left alone by retention, and can be deleted", async () => {
  const { storage, fail } = faultyStorage();
  const first = await openBroker(testWorld(storage));
  await first.createTopic("t", { partitions: 3, configs: { "retention.bytes": 0, "segment.bytes": 100 } });
  for (const partition of [0, 1, 2])
    for (const value of ["a", "b"]) await first.produce("t", [{ value }], { partition });
  await first.close();
  const disk = storage.restart();
  await disk.remove("t-1/00000000000000000001.log");
  const broker = await openBroker(testWorld(disk));
  fail(({ kind, paths }) => kind === "sync" && paths[0]?.startsWith("t-2/") === true && paths[0].endsWith(".log"));
  await broker.produce("t", [{ value: "c" }], { partition: 2 });
  fail(null);
  const states = (): string[] => broker.describeTopic("t").partitions.map(({ state }) => state);
  assert.deepEqual(states(), ["online", "offline", "fenced"]);
  await broker.runRetention();
  assert.deepEqual([broker.offsets("t", 0).earliest, broker.offsets("t", 2).earliest], [1, 0]);
  await assert.rejects(broker.deleteRecords("t", 1, 0), code("LEADER_NOT_AVAILABLE"));
  await broker.alterTopic("t", { partitions: 4 });
  assert.deepEqual(states(), ["online", "offline", "fenced", "online"]);
  assert.equal(broker.metrics().offlinePartitions, 2);
  await broker.deleteTopic("t");
  await broker.createTopic("t", { partitions: 4 });
  assert.deepEqual(states(), ["online", "online", "online", "online"]);
  await broker.close();
  assert.equal((await openBroker(testWorld(disk.restart({})))).report.cleanShutdown, true);
});

test("thousands of partitions are made, written, stopped and opened again", async () => {
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t", { partitions: 3000 });
  for (const partition of [0, 1499, 2999]) await broker.produce("t", [{ value: "x" }], { partition });
  await broker.close();
  const { length } = await storage.restart().list("t-7");
  assert.equal(length, 2, "an empty partition is its .log and its partition.metadata");
  const again = await openBroker(testWorld(storage.restart()));
  assert.deepEqual(
    [again.report.partitions, again.report.cleanShutdown, again.report.offlinePartitions],
    [3000, true, 0],
  );
  assert.deepEqual(
    [0, 1, 1499, 2999].map((partition) => again.offsets("t", partition).latest),
    [1, 0, 1, 1],
  );
  await again.close();
});

test("a crash at any write of creating, altering or deleting leaves the topic before or after, never between", async () => {
  let crashes = 0;
  for (let at = 1; ; at += 1) {
    let operations = 0;
    let dead = false;
    const storage = memoryStorage({
      onOperation: () => {
        operations += 1;
        if (dead || operations !== at + setup) return;
        dead = true;
        throw new StorageError("io", "power");
      },
    });
    let setup = Number.POSITIVE_INFINITY;
    const broker = await openBroker(testWorld(storage));
    await broker.createTopic("old");
    await broker.produce("old", [{ value: "x" }]);
    setup = operations;
    let done = 0;
    try {
      await broker.createTopic("new", { partitions: 2 });
      done = 1;
      await broker.alterTopic("old", { partitions: 2 });
      done = 2;
      await broker.deleteTopic("new");
      done = 3;
    } catch {
      // Where the power went.
    }
    if (!dead) break;
    crashes += 1;
    const survivor = storage.crash(() => (crashes % 3) / 3, {});
    const again = await openBroker(testWorld(survivor));
    assert.equal(again.report.offlinePartitions, 0, again.report.notes.join());
    const names = again.listTopics().map(({ name, partitions }) => `${name} ${partitions}`);
    if (done === 3) assert.ok(!names.includes("new 2"));
    if (done === 1) assert.ok(names.includes("new 2"));
    if (done >= 2) assert.ok(names.includes("old 2"));
    assert.equal(again.offsets("old", 0).latest, 1);
    await again.close();
  }
  assert.ok(crashes > 30, `${crashes} crashes`);
});

test("a plan says what would be, or why not, and makes nothing", async () => {
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("there", { partitions: 2 });
  const before = (await storage.list("")).length;
  const plan = broker.planTopic("t", { partitions: 3, configs: { "retention.ms": 5 } });
  assert.deepEqual([plan.name, plan.partitions], ["t", 3]);
  assert.deepEqual(plan.configs["retention.ms"], { value: "5", source: "topic" });
  assert.equal(plan.configs["segment.ms"]?.source, "default");
  assert.throws(() => broker.planTopic("there", { partitions: 2 }), code("TOPIC_ALREADY_EXISTS"));
  assert.throws(() => broker.planTopic("a b"), code("INVALID_TOPIC_EXCEPTION"));
  assert.throws(() => broker.planTopic("t", { partitions: 0 }), code("INVALID_PARTITIONS"));
  assert.throws(() => broker.planTopic("t", { configs: { colour: "red" } }), code("INVALID_CONFIG"));

  const altered = broker.planAlteration("there", { partitions: 5, configs: { "segment.ms": "7" } });
  assert.deepEqual([altered.partitions, altered.configs["segment.ms"]?.value], [5, "7"]);
  assert.throws(() => broker.planAlteration("there", { partitions: 1 }), code("INVALID_PARTITIONS"));
  assert.throws(() => broker.planAlteration("t", {}), code("UNKNOWN_TOPIC_OR_PARTITION"));
  const { partitions, configs } = broker.describeTopic("there");
  assert.deepEqual([partitions.length, configs["segment.ms"]?.source], [2, "default"]);
  assert.deepEqual([broker.listTopics().length, (await storage.list("")).length], [1, before]);
  await broker.close();
  assert.throws(() => broker.planTopic("t"), code("BROKER_CLOSED"));
  assert.throws(() => broker.planAlteration("there", {}), code("BROKER_CLOSED"));
});

test("changes made of what there is at their turn lose nothing of each other's", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t", { configs: { "segment.ms": 100 } });
  const longer = broker.alterTopic.bind(broker, "t", {
    configs: ({ "segment.ms": segmentMs }) => ({ "segment.ms": Number(segmentMs!.value) + 1 }),
  });
  await Promise.all(Array.from({ length: 10 }, longer));
  assert.deepEqual(broker.describeTopic("t").configs["segment.ms"], { value: "110", source: "topic" });
  const refusal = new MoldauError("POLICY_VIOLATION", "no");
  const refused = broker.alterTopic("t", {
    partitions: 3,
    configs: () => {
      throw refusal;
    },
  });
  await assert.rejects(refused, refusal);
  assert.equal(broker.describeTopic("t").partitions.length, 1);
  await broker.close();
});

test("a topic is deleted by its id, and not another one that has got its name", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  const { id } = await broker.createTopic("t");
  const deleted = broker.deleteTopic("t");
  const created = broker.createTopic("t");
  await assert.rejects(broker.deleteTopic("t", { id }), code("UNKNOWN_TOPIC_OR_PARTITION"));
  await deleted;
  const again = await created;
  assert.equal(broker.describeTopic("t").id, again.id);
  await broker.deleteTopic("t", { id: again.id });
  assert.deepEqual(broker.listTopics(), []);
  await broker.close();
});

test("a config with the name of a property that every object has is refused as any other", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t");
  for (const name of ["__proto__", "constructor", "toString"]) {
    const configs = Object.fromEntries([[name, "5"]]);
    await assert.rejects(broker.alterTopic("t", { configs }), code("INVALID_CONFIG"), name);
    await assert.rejects(broker.createTopic("u", { configs }), code("INVALID_CONFIG"), name);
  }
  await broker.close();
});
