// Groups through a whole broker: the topic is made, kept from clients, and read again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf } from "../group/group.test.support.ts";
import { decodeOffset } from "../group/offset-value.ts";
import { partitionForGroup } from "../group/partition-for.ts";
import { decodeKey } from "../group/record-keys.ts";
import type { Appended } from "../log/log.ts";
import { StorageError } from "../port/storage.ts";
import { type MemoryStorageOptions, memoryStorage } from "../storage/memory.ts";
import { OffsetsTopic } from "./group-log.ts";
import { offsetsTopicName } from "./internal-topics.ts";
import { openBroker } from "./open.ts";
import type { Topics } from "./topics.ts";
import type { Broker } from "./types.ts";
import { drain, testWorld } from "./world.test.support.ts";

const groups = { offsetsTopicPartitions: 4 };

async function commit(broker: Broker, offset: number, partition = 0, groupId = "g"): Promise<string> {
  const partitions = [{ partitionIndex: partition, committedOffset: offset }];
  const [topic] = await broker.groups.commitOffsets({ groupId, topics: [{ name: "events", partitions }] });
  return topic!.partitions[0]!.error?.code ?? "none";
}

async function committed(broker: Broker, groupId = "g"): Promise<number> {
  const topics = [{ name: "events", partitionIndexes: [0] }];
  const fetched = await broker.groups.fetchOffsets({ groupId, topics });
  return fetched.topics[0]!.partitions[0]!.committedOffset;
}

test("the topic is made on first need, flagged, read by clients and written by none", async () => {
  const broker = await openBroker({ ...testWorld(memoryStorage()), groups });
  await broker.createTopic("events", { partitions: 2 });
  assert.equal(await committed(broker), -1);
  assert.equal(broker.listTopics().length, 1);
  assert.equal(await commit(broker, 5), "none");
  assert.deepEqual(
    broker.listTopics().map(({ name, partitions, internal }) => [name, partitions, internal]),
    [
      [offsetsTopicName, 4, true],
      ["events", 2, undefined],
    ],
  );
  const { internal, configs } = broker.describeTopic(offsetsTopicName);
  assert.deepEqual([internal, configs["cleanup.policy"]!.value], [true, "compact"]);
  const partition = partitionForGroup("g", 4);
  const { records } = await broker.fetchRecords(offsetsTopicName, partition, { offset: 0 });
  assert.deepEqual(decodeKey(records[0]!.key!), { kind: "offset", group: "g", topic: "events", partition: 0 });
  assert.equal(decodeOffset(records[0]!.value!).offset, 5);
  for (const attempt of [
    () => broker.produce(offsetsTopicName, [{ value: "x" }]),
    () => broker.appendBatches(offsetsTopicName, 0, new Uint8Array(100)),
    () => broker.createTopic(offsetsTopicName),
    () => broker.deleteTopic(offsetsTopicName),
    () => broker.deleteRecords(offsetsTopicName, partition, -1),
    () => broker.alterTopic(offsetsTopicName, { partitions: 9 }),
  ]) {
    assert.equal(await codeOf(attempt()), "INVALID_TOPIC_EXCEPTION");
  }
  await broker.alterTopic(offsetsTopicName, { configs: { "segment.bytes": 1000 } });
  await broker.close();
  assert.equal(await codeOf(commit(broker, 6)), "BROKER_CLOSED");
});

test("what was acknowledged is there after a crash, and after a clean end", async () => {
  let storage = memoryStorage();
  let broker = await openBroker({ ...testWorld(storage), groups });
  await broker.createTopic("events", { partitions: 2 });
  for (let offset = 1; offset <= 50; offset += 1)
    assert.equal(await commit(broker, offset, 0, `g${offset % 7}`), "none");
  storage = storage.crash(() => 0.5, {});
  broker = await openBroker({ ...testWorld(storage), groups: { offsetsTopicPartitions: 9 } });
  assert.equal(broker.listTopics()[0]!.partitions, 4);
  assert.deepEqual(await Promise.all(["g0", "g1", "g6"].map((id) => committed(broker, id))), [49, 50, 48]);
  await broker.close();
  broker = await openBroker({ ...testWorld(storage.restart({})), groups });
  assert.deepEqual(await Promise.all(["g0", "g1", "g6"].map((id) => committed(broker, id))), [49, 50, 48]);
  assert.equal(broker.report.cleanShutdown, true);
  await broker.close();
});

test("deleting a topic deletes what groups committed for it, durably", async () => {
  const storage = memoryStorage();
  let broker = await openBroker({ ...testWorld(storage), groups });
  await broker.createTopic("events", { partitions: 2 });
  await commit(broker, 5);
  await broker.deleteTopic("events");
  await broker.createTopic("events", { partitions: 2 });
  assert.equal(await committed(broker), -1);
  broker = await openBroker({ ...testWorld(storage.crash(() => 0, {})), groups });
  assert.equal(await committed(broker), -1);
  await broker.close();
});

test("a topic that is created or widened moves the assignment of a consumer group", async () => {
  const broker = await openBroker({ ...testWorld(memoryStorage()), groups });
  const join = { subscribedTopicRegex: "e.*", rebalanceTimeoutMs: 1000, topicPartitions: [] };
  const joined = await broker.groups.consumerGroupHeartbeat({ groupId: "g", memberId: "m", memberEpoch: 0, ...join });
  assert.deepEqual(joined.assignment, []);
  const { id } = await broker.createTopic("events", { partitions: 2 });
  const beat = (memberEpoch: number, partitions: number[]) =>
    broker.groups.consumerGroupHeartbeat({
      ...{ groupId: "g", memberId: "m", memberEpoch },
      topicPartitions: partitions.length === 0 ? [] : [{ topicId: id, partitions }],
    });
  const second = await beat(joined.memberEpoch, []);
  assert.deepEqual(second.assignment, [{ topicId: id, partitions: [0, 1] }]);
  await broker.alterTopic("events", { partitions: 3 });
  const third = await beat(second.memberEpoch, [0, 1]);
  assert.deepEqual(third.assignment, [{ topicId: id, partitions: [0, 1, 2] }]);
  await broker.deleteTopic("events");
  const fourth = await beat(third.memberEpoch, [0, 1, 2]);
  assert.deepEqual(fourth.assignment, []);
  await broker.close();
});

/** A disk that can be full, and can fail. */
function moodyStorage(): { options: MemoryStorageOptions; mood: { full: boolean; failing: boolean } } {
  const mood = { full: false, failing: false };
  const onOperation: MemoryStorageOptions["onOperation"] = ({ kind, paths }) => {
    const isOffsets = paths.some((path) => path.startsWith(offsetsTopicName));
    if (isOffsets && mood.full && kind === "append") throw new StorageError("no-space", "full");
    if (isOffsets && mood.failing && kind === "sync") throw new StorageError("io", "failed");
  };
  return { options: { onOperation }, mood };
}

test("a full disk refuses commits and joins, and all goes on when there is room", async () => {
  const { options, mood } = moodyStorage();
  const broker = await openBroker({ ...testWorld(memoryStorage(options)), groups });
  await broker.createTopic("events", { partitions: 2 });
  const join = { subscribedTopicNames: ["events"], rebalanceTimeoutMs: 1000, topicPartitions: [] };
  const heartbeat = (memberId: string) =>
    broker.groups.consumerGroupHeartbeat({ groupId: "c", memberId, memberEpoch: 0, ...join });
  await heartbeat("a");
  await commit(broker, 1);
  mood.full = true;
  const codes = await Promise.all([
    commit(broker, 2),
    commit(broker, 3),
    codeOf(heartbeat("b")),
    codeOf(heartbeat("d")),
  ]);
  assert.deepEqual(new Set(codes), new Set(["COORDINATOR_NOT_AVAILABLE"]));
  mood.full = false;
  assert.equal(await committed(broker), 1);
  assert.equal((await broker.groups.describeConsumerGroups(["c"]))[0]!.members.length, 1);
  assert.equal(await commit(broker, 4), "none");
  assert.equal((await heartbeat("b")).memberEpoch, 2);
  await broker.close();
});

test("an append behind one that failed fails too, though there is room again", async () => {
  let failing = 0;
  const onOperation: MemoryStorageOptions["onOperation"] = ({ kind, paths: [path = ""] }) => {
    if (kind !== "append" || !path.startsWith(offsetsTopicName) || !path.endsWith(".log") || failing === 0) return;
    failing -= 1;
    throw new StorageError("no-space", "full");
  };
  const broker = await openBroker({
    ...testWorld(memoryStorage({ onOperation })),
    groups: { offsetsTopicPartitions: 1 },
  });
  await broker.createTopic("events", { partitions: 2 });
  const join = { subscribedTopicNames: ["events"], rebalanceTimeoutMs: 1000, topicPartitions: [] };
  const heartbeat = (memberId: string) =>
    broker.groups.consumerGroupHeartbeat({ groupId: "c", memberId, memberEpoch: 0, ...join });
  failing = 1;
  // The first append of a broker's life waits for its epoch: all three are under way when the first one fails.
  const codes = await Promise.all([codeOf(heartbeat("a")), codeOf(heartbeat("b")), commit(broker, 3)]);
  assert.deepEqual(codes, ["COORDINATOR_NOT_AVAILABLE", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_NOT_AVAILABLE"]);
  assert.equal((await broker.groups.describeConsumerGroups(["c"]))[0]!.error?.code, "GROUP_ID_NOT_FOUND");
  assert.equal(await committed(broker), -1);
  assert.equal((await heartbeat("a")).memberEpoch, 1);
  // Later ones fail at once: who comes in the same turn does not build on what is not stored.
  failing = 1;
  const after = await Promise.all([codeOf(heartbeat("d")), heartbeat("e")]);
  assert.equal(after[0], "COORDINATOR_NOT_AVAILABLE");
  assert.equal(after[1].memberEpoch, 2);
  const { members } = (await broker.groups.describeConsumerGroups(["c"]))[0]!;
  assert.deepEqual(
    members.map(({ memberId }) => memberId),
    ["a", "e"],
  );
  await broker.close();
});

test("when a sync fails nothing is acknowledged, and the next start finds what was", async () => {
  const { options, mood } = moodyStorage();
  const storage = memoryStorage(options);
  let broker = await openBroker({ ...testWorld(storage), groups });
  await broker.createTopic("events", { partitions: 2 });
  await commit(broker, 1);
  mood.failing = true;
  assert.equal(await commit(broker, 2), "COORDINATOR_NOT_AVAILABLE");
  mood.failing = false;
  assert.equal(await commit(broker, 3), "COORDINATOR_NOT_AVAILABLE", "it is fenced until a restart");
  assert.equal(await committed(broker), 1);
  await broker.close();
  await drain();
  broker = await openBroker({ ...testWorld(storage.restart({})), groups });
  assert.equal(await committed(broker), 1);
  assert.equal(await commit(broker, 4), "none");
  await broker.close();
});

test("behind a failure that takes its time nothing begins until all that had begun has ended", async () => {
  // A partition whose appends wait in line, as behind a slow disk.
  const line: { readonly work: () => void; readonly fail: (error: Error) => void }[] = [];
  let logEndOffset = 0;
  const partition = {
    readable: () => ({ logEndOffset }),
    acknowledged: () => Promise.resolve(),
    append: (work: (append: unknown) => unknown) =>
      new Promise((resolve, reject) => line.push({ work: () => resolve(work(null)), fail: reject })),
  };
  const expected: number[] = [];
  const topic = new OffsetsTopic({
    ...{ kernel: testWorld(memoryStorage()).kernel, clock: testWorld(memoryStorage()).clock },
    topics: { findPartition: () => partition } as unknown as Topics,
    append: (_append, _bytes, expectedEndOffset) => {
      expected.push(expectedEndOffset);
      logEndOffset += 1;
      return { lastOffset: logEndOffset - 1 } as Appended;
    },
    fetch: () => Promise.reject(new Error("nobody reads")),
  });
  const record = { key: new Uint8Array(1), value: null };
  const ends: unknown[] = [];
  const append = (records = [record]): void => topic.append(0, records, (failure) => ends.push(failure));
  append([record, record]);
  append();
  line.shift()!.fail(new Error("no room"));
  await drain();
  assert.equal(ends.length, 1);
  append();
  assert.equal(ends.length, 2, "refused at once, while the second is still in line");
  line.shift()!.fail(new Error("behind it"));
  await drain();
  append();
  line.shift()!.work();
  await drain();
  assert.deepEqual([ends.length, ends[3], expected], [4, null, [0]]);
});
