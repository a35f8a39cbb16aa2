import assert from "node:assert/strict";
import test from "node:test";
import { MoldauError } from "../errors.ts";
import { memoryStorage } from "../storage/memory.ts";
import { openBroker } from "./open.ts";
import type { Broker, ProduceResult, Receipt } from "./types.ts";
import { drain, ManualClock, testWorld } from "./world.test.support.ts";

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : new TextDecoder().decode(bytes));
const receipt = (result: ProduceResult | undefined): Receipt => {
  assert.ok(result !== undefined && !("error" in result), String((result as { error?: Error })?.error));
  return result;
};
const code = (expected: string) => (error: unknown) => error instanceof MoldauError && error.code === expected;

async function values(broker: Broker, topic: string, partition = 0): Promise<(string | null)[]> {
  const read: (string | null)[] = [];
  for await (const record of broker.read(topic, { partition })) read.push(text(record.value));
  return read;
}

test("what is produced is read back with its offset, key, headers and time", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("events");
  const results = await broker.produce("events", [
    {
      key: "k",
      value: "v",
      headers: [
        ["h", "1"],
        ["n", null],
      ],
      timestamp: 5,
    },
    { value: null },
  ]);
  assert.deepEqual(
    results.map((result) => receipt(result).offset),
    [0, 1],
  );
  const { records, nextOffset, highWatermark } = await broker.fetchRecords("events", 0, { offset: 0 });
  assert.equal(text(records[0]?.key ?? null), "k");
  assert.equal(records[0]?.timestamp, 5);
  assert.deepEqual(
    records[0]?.headers.map(({ key, value }) => [key, text(value)]),
    [
      ["h", "1"],
      ["n", null],
    ],
  );
  assert.equal(records[1]?.value, null);
  assert.deepEqual([nextOffset, highWatermark], [2, 2]);
  await broker.close();
});

test("a clean restart keeps everything and begins a higher leader epoch", async () => {
  const storage = memoryStorage();
  const first = await openBroker(testWorld(storage));
  await first.createTopic("t", { partitions: 2, configs: { "segment.bytes": 200 } });
  for (let at = 0; at < 20; at += 1) await first.produce("t", [{ value: `v${at}` }], { partition: 0 });
  const epoch = first.describeTopic("t").partitions[0]?.leaderEpoch as number;
  assert.ok((first.describeTopic("t").partitions[0]?.segments ?? 0) > 3);
  const survivor = storage.crash(() => 1);
  await first.close();
  const second = await openBroker(testWorld(survivor));
  assert.equal(second.report.offlinePartitions, 0, second.report.notes.join());
  assert.deepEqual(
    await values(second, "t"),
    Array.from({ length: 20 }, (_, at) => `v${at}`),
  );
  assert.ok((second.describeTopic("t").partitions[0]?.leaderEpoch as number) > epoch);
  await second.close();
});

test("nothing is visible, and acks=all does not answer, before the sync", async () => {
  let hold: (() => void) | null = null;
  const storage = memoryStorage();
  const sync = storage.sync.bind(storage);
  const slow = new Proxy(storage, {
    get(target, name) {
      if (name !== "sync") {
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return async (files: Parameters<typeof sync>[0]) => {
        if (files.some((file) => file.path.endsWith(".log") && file.sizeBytes > 0))
          await new Promise<void>((resolve) => (hold = resolve));
        return sync(files);
      };
    },
  });
  const broker = await openBroker(testWorld(slow));
  await broker.createTopic("t");
  let answered = false;
  const produced = broker.produce("t", [{ value: "x" }]).then(() => (answered = true));
  await drain();
  assert.equal(answered, false);
  assert.equal(broker.offsets("t", 0).latest, 0);
  assert.equal((await broker.fetchBatches([{ topic: "t", partition: 0, offset: 0 }]))[0]?.bytes.length, 0);
  (hold as unknown as () => void)();
  await produced;
  assert.equal(broker.offsets("t", 0).latest, 1);
  await broker.close();
});

test("a retry of the last five batches gets the first offset; a gap and an old epoch are refused", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t");
  const { producerId } = await broker.allocateProducer();
  const send = async (sequence: number, producerEpoch = 0): Promise<ProduceResult> =>
    (
      await broker.produce("t", [{ value: `s${sequence}` }], {
        partition: 0,
        producer: { producerId, producerEpoch, sequence },
      })
    )[0] as ProduceResult;
  for (let sequence = 0; sequence < 6; sequence += 1) assert.equal(receipt(await send(sequence)).offset, sequence);
  assert.deepEqual([receipt(await send(1)).offset, receipt(await send(1)).duplicate], [1, true]);
  const tooOld = await send(0);
  assert.ok("error" in tooOld && tooOld.error.code === "DUPLICATE_SEQUENCE_NUMBER");
  const gap = await send(8);
  assert.ok("error" in gap && gap.error.code === "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assert.equal(receipt(await send(0, 1)).offset, 6);
  const fenced = await send(6, 0);
  assert.ok("error" in fenced && fenced.error.code === "INVALID_PRODUCER_EPOCH");
  await broker.close();
});

test("a fetch waits for minBytes and is woken by the high watermark, or by time", async () => {
  const clock = new ManualClock();
  const broker = await openBroker(testWorld(memoryStorage(), clock));
  await broker.createTopic("t");
  const waiting = broker.fetchRecords("t", 0, { offset: 0, maxWaitMs: 5000 });
  await drain();
  assert.equal(broker.metrics().waitingFetches, 1);
  await broker.produce("t", [{ value: "x" }]);
  assert.equal((await waiting).records.length, 1);
  let done = false;
  const empty = broker.fetchRecords("t", 0, { offset: 1, maxWaitMs: 5000 }).finally(() => (done = true));
  await clock.advance(4999);
  assert.equal(done, false);
  await clock.advance(1);
  assert.equal((await empty).records.length, 0);
  assert.equal(broker.metrics().waitingFetches, 0);
  await broker.close();
});

test("retention by time deletes whole segments, keeps what is young, and survives a restart", async () => {
  const clock = new ManualClock();
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage, clock));
  await broker.createTopic("t", { configs: { "segment.bytes": 150, "retention.ms": 60_000 } });
  for (let at = 0; at < 10; at += 1) {
    await broker.produce("t", [{ value: `v${at}` }]);
    await clock.advance(10_000);
  }
  const deleted = await broker.runRetention();
  assert.equal(deleted, 2); // two records a segment; four are older than a minute
  const { earliest, latest } = broker.offsets("t", 0);
  assert.ok(earliest > 0 && earliest < latest);
  await assert.rejects(broker.fetchRecords("t", 0, { offset: earliest - 1 }), code("OFFSET_OUT_OF_RANGE"));
  const survivor = storage.crash(() => 0);
  const again = await openBroker(testWorld(survivor, clock));
  assert.equal(again.report.offlinePartitions, 0, again.report.notes.join());
  assert.deepEqual(again.offsets("t", 0), { earliest, latest });
  await clock.advance(1_000_000);
  await again.runRetention();
  assert.deepEqual(again.offsets("t", 0), { earliest: latest, latest });
  await again.close();
});

test("by time: the first record at or after it", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t", { configs: { "segment.bytes": 400, "index.interval.bytes": 0 } });
  for (let at = 0; at < 30; at += 1)
    await broker.produce("t", [
      { value: "a", timestamp: at * 10 },
      { value: "b", timestamp: at * 10 + 5 },
    ]);
  assert.deepEqual(await broker.offsetForTimestamp("t", 0, 0), { offset: 0, timestamp: 0 });
  assert.deepEqual(await broker.offsetForTimestamp("t", 0, 101), { offset: 21, timestamp: 105 });
  assert.deepEqual(await broker.offsetForTimestamp("t", 0, 1000), { offset: null, timestamp: null });
  await broker.close();
});

test("a full disk refuses produce with a retriable error, reads go on, and room makes it work again", async () => {
  const storage = memoryStorage({ capacityBytes: 200_000 });
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  const acknowledged: string[] = [];
  let refused: MoldauError | null = null;
  for (let at = 0; refused === null; at += 1) {
    const value = `${at}`.padEnd(10_000, ".");
    const [result] = await broker.produce("t", [{ value }]);
    if (result !== undefined && "error" in result) refused = result.error;
    else acknowledged.push(value);
  }
  assert.deepEqual([refused.code, refused.retriable, refused.effect], ["KAFKA_STORAGE_ERROR", true, "none"]);
  assert.deepEqual(await values(broker, "t"), acknowledged);
  storage.setCapacity(10_000_000);
  acknowledged.push("room");
  receipt((await broker.produce("t", [{ value: "room" }]))[0]);
  const again = await openBroker(testWorld(storage.crash(() => 0)));
  assert.deepEqual(await values(again, "t"), acknowledged);
  await again.close();
});

test("a failed sync fences the partition: the append may have landed, no write follows, reads go on", async () => {
  let fail = false;
  const storage = memoryStorage({
    onOperation: (operation) => {
      if (fail && operation.kind === "sync") throw Object.assign(new Error("EIO"), {});
    },
  });
  const world = testWorld(storage);
  const broker = await openBroker(world);
  await broker.createTopic("t");
  await broker.produce("t", [{ value: "kept" }]);
  fail = true;
  const [lost] = await broker.produce("t", [{ value: "lost" }]);
  assert.ok(lost !== undefined && "error" in lost && lost.error.effect === "unknown");
  const [refused] = await broker.produce("t", [{ value: "later" }]);
  assert.ok(
    refused !== undefined &&
      "error" in refused &&
      refused.error.code === "KAFKA_STORAGE_ERROR" &&
      refused.error.effect === "none",
  );
  assert.deepEqual(await values(broker, "t"), ["kept"]);
  assert.equal(broker.describeTopic("t").partitions[0]?.state, "fenced");
});

test("deleted topics are gone, and a new one of the name begins at zero", async () => {
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  for (let at = 0; at < 5; at += 1) await broker.produce("t", [{ value: "old" }]);
  await broker.deleteTopic("t");
  assert.throws(() => broker.describeTopic("t"), code("UNKNOWN_TOPIC_OR_PARTITION"));
  await broker.createTopic("t");
  assert.equal(receipt((await broker.produce("t", [{ value: "new" }]))[0]).offset, 0);
  const again = await openBroker(testWorld(storage.crash(() => 0)));
  assert.equal(again.report.offlinePartitions, 0, again.report.notes.join());
  assert.deepEqual(await values(again, "t"), ["new"]);
  await again.close();
});

test("damage below the recovery point takes that partition offline, and no other", async () => {
  const storage = memoryStorage();
  const clock = new ManualClock();
  const broker = await openBroker(testWorld(storage, clock));
  await broker.createTopic("t", { partitions: 2 });
  for (const partition of [0, 1])
    for (let at = 0; at < 5; at += 1) await broker.produce("t", [{ value: `v${at}` }], { partition });
  await clock.advance(2000);
  const survivor = storage.crash(() => 0);
  const file = await survivor.open("t-0/00000000000000000000.log");
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  bytes[100] = (bytes[100] as number) ^ 1;
  await file.truncate(0);
  file.append(bytes);
  await file.close();
  const world = testWorld(survivor, clock);
  const again = await openBroker(world);
  const [damaged, healthy] = again.describeTopic("t").partitions;
  assert.equal(damaged?.state, "offline");
  assert.match(damaged?.reason ?? "", /below the recovery point/);
  assert.ok(world.said.some(({ level, message }) => level === "error" && message.includes("t-0")));
  assert.equal(healthy?.state, "online");
  assert.equal((await values(again, "t", 1)).length, 5);
  await assert.rejects(again.fetchRecords("t", 0, { offset: 0 }), code("LEADER_NOT_AVAILABLE"));
  await again.close();
});

test("records of one produce stay together, also when they need several batches", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t", { configs: { "max.message.bytes": 200 } });
  const long = (name: string): { value: string } => ({ value: name.padEnd(100, ".") });
  const sent = [broker.produce("t", [long("a"), long("b"), long("c")]), broker.produce("t", [long("d"), long("e")])];
  await Promise.all(sent);
  assert.deepEqual(
    (await values(broker, "t")).map((value) => value?.slice(0, 1)),
    ["a", "b", "c", "d", "e"],
  );
  assert.equal(broker.metrics().batchesAppended, 5);
  await broker.close();
});

test("a broker keeps its names: the cluster's and its own, and a topic's by its id", async () => {
  const storage = memoryStorage();
  const first = await openBroker(testWorld(storage));
  assert.match(first.clusterId, /^[\w-]{22}$/);
  assert.equal(first.nodeId, 0);
  const { id } = await first.createTopic("t");
  const gone = await first.createTopic("gone");
  assert.equal(first.topicName(gone.id), "gone");
  await first.deleteTopic("gone");
  await first.close();
  const second = await openBroker(testWorld(storage.crash(() => 0)));
  assert.equal(second.clusterId, first.clusterId);
  assert.deepEqual(
    [id, gone.id].map((one) => second.topicName(one)),
    ["t", null],
  );
  await second.close();
});

test("leader epochs: who wrote an offset, and where an epoch ended", async () => {
  const storage = memoryStorage();
  let broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  assert.equal(broker.leaderEpoch("t", 0), 0);
  assert.equal(broker.leaderEpochAt("t", 0, 0), -1, "nobody wrote yet");
  assert.deepEqual(broker.leaderEpochEnd("t", 0, 0), { epoch: 0, endOffset: 0 });
  await broker.produce("t", [{ value: "a" }, { value: "b" }]);
  await broker.close();
  broker = await openBroker(testWorld(storage.crash(() => 0)));
  assert.equal(broker.leaderEpoch("t", 0), 1);
  assert.deepEqual(broker.leaderEpochEnd("t", 0, 0), { epoch: 0, endOffset: 2 });
  assert.deepEqual(broker.leaderEpochEnd("t", 0, 1), { epoch: 1, endOffset: 2 }, "its entry is not made yet");
  assert.deepEqual(broker.leaderEpochEnd("t", 0, 2), { epoch: -1, endOffset: -1 }, "there was none");
  await broker.produce("t", [{ value: "c" }]);
  assert.deepEqual(
    [0, 1, 2, 3].map((offset) => broker.leaderEpochAt("t", 0, offset)),
    [0, 0, 1, 1],
  );
  assert.deepEqual(broker.leaderEpochEnd("t", 0, 0), { epoch: 0, endOffset: 2 });
  assert.throws(() => broker.leaderEpoch("t", 1), code("UNKNOWN_TOPIC_OR_PARTITION"));
  await broker.close();
});

test("the record of the greatest timestamp, wherever it lies, and whatever was deleted before it", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  const none = { offset: null, timestamp: null };
  await broker.createTopic("t", { configs: { "segment.bytes": 200 } });
  assert.deepEqual(await broker.offsetOfMaxTimestamp("t", 0), none);
  const times = [3, 9, 9, 1, 8, 2, 7, 5];
  for (const timestamp of times) await broker.produce("t", [{ value: "v".repeat(20), timestamp }]);
  assert.ok((broker.describeTopic("t").partitions[0]?.segments ?? 0) > 2, "several segments");
  const wanted = [
    [1, 9],
    [1, 9],
    [2, 9],
    [4, 8],
    [4, 8],
    [6, 7],
    [6, 7],
    [7, 5],
  ];
  for (const [start, [offset, timestamp]] of wanted.entries()) {
    await broker.deleteRecords("t", 0, start);
    assert.deepEqual(await broker.offsetOfMaxTimestamp("t", 0), { offset, timestamp }, `from ${start}`);
  }
  await broker.deleteRecords("t", 0, -1);
  assert.deepEqual(await broker.offsetOfMaxTimestamp("t", 0), none);
  await broker.close();
});

test("the greatest timestamp is looked for in what is synced", async () => {
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t");
  await broker.produce("t", [{ value: "a", timestamp: 5 }]);
  await broker.produce("t", [{ value: "b", timestamp: 3 }]);
  await broker.produce("t", [{ value: "c", timestamp: 8 }], { acks: "leader" });
  assert.equal(broker.offsets("t", 0).latest, 2);
  assert.deepEqual(await broker.offsetOfMaxTimestamp("t", 0), { offset: 0, timestamp: 5 });
  await broker.close();
});
