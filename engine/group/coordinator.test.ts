import assert from "node:assert/strict";
import { test } from "node:test";
import { MoldauError } from "../errors.ts";
import { maxGroups } from "../limits.ts";
import { encodeClassicGroup } from "./classic-value.ts";
import { bytesOf, codeOf, createGroupWorld, drain, type GroupWorld, subscription } from "./group.test.support.ts";
import { encodeOffset } from "./offset-value.ts";
import { partitionForGroup } from "./partition-for.ts";
import { decodeKey, encodeKey } from "./record-keys.ts";
import type { GroupRecord, JoinGroupResult, OffsetCommitRequest, TopicOutcomes } from "./types.ts";

const dayMs = 86_400_000;

function commit(
  world: GroupWorld,
  offset: number,
  request: Partial<OffsetCommitRequest> = {},
  topic = "t",
  partition = 0,
): Promise<TopicOutcomes[]> {
  const partitions = [{ partitionIndex: partition, committedOffset: offset, committedMetadata: "m" }];
  return world.groups.commitOffsets({ groupId: "g", topics: [{ name: topic, partitions }], ...request });
}

async function committed(world: GroupWorld, topic = "t", partition = 0, groupId = "g"): Promise<number> {
  const { topics } = await world.groups.fetchOffsets({
    groupId,
    topics: [{ name: topic, partitionIndexes: [partition] }],
  });
  return topics[0]!.partitions[0]!.committedOffset;
}

/** The only code of these outcomes. */
function codesOf(outcomes: readonly TopicOutcomes[]): string {
  const codes = outcomes.flatMap(({ partitions }) => partitions.map(({ error }) => error?.code ?? "none"));
  return [...new Set(codes)].join();
}

/** A classic group of one, stable, subscribed to these. */
async function stableGroup(
  world: GroupWorld,
  topics: readonly string[] = ["t"],
  groupId = "g",
): Promise<JoinGroupResult> {
  const member = await world.groups.joinGroup({
    ...{ groupId, sessionTimeoutMs: 1_800_000, memberId: "", protocolType: "consumer" },
    protocols: [{ name: "range", metadata: subscription(topics) }],
  });
  const { memberId, generationId } = member;
  await world.groups.syncGroup({
    ...{ groupId, memberId, generationId },
    assignments: [{ memberId, assignment: bytesOf("mine") }],
  });
  return member;
}

function consumer(world: GroupWorld, memberId: string, memberEpoch: number, groupId = "g") {
  const joining = { subscribedTopicNames: ["t"], rebalanceTimeoutMs: 1000, topicPartitions: [] };
  return world.groups.consumerGroupHeartbeat({ groupId, memberId, memberEpoch, ...(memberEpoch === 0 ? joining : {}) });
}

/** As another program would write them. */
function store(w: GroupWorld, partition: number, records: readonly GroupRecord[]): Promise<void> {
  return new Promise((resolve) => w.log.append(partition, records, () => resolve()));
}

function world(options: Parameters<typeof createGroupWorld>[0] = {}): GroupWorld {
  const made = createGroupWorld(options);
  made.createTopic("t", 4);
  made.createTopic("u", 2);
  return made;
}

test("nothing is made until somebody joins or commits", async () => {
  const w = world();
  assert.equal(await committed(w), -1);
  assert.deepEqual(await w.groups.listGroups(), []);
  assert.equal((await w.groups.describeGroups(["g"]))[0]!.error?.code, "GROUP_ID_NOT_FOUND");
  assert.equal((await w.groups.describeGroups(["g"]))[0]!.groupState, "Dead");
  assert.equal(await codeOf(w.groups.heartbeat({ groupId: "g", memberId: "m", generationId: 1 })), "UNKNOWN_MEMBER_ID");
  assert.equal(await codeOf(consumer(w, "m", 1)), "GROUP_ID_NOT_FOUND");
  assert.equal(w.log.partitions(), 0);
  await Promise.all([commit(w, 1), commit(w, 1, { groupId: "h" })]);
  assert.equal(w.log.partitions(), 3);
});

test("a commit is shown and answered when it is durable, not before (redpanda#9571)", async () => {
  const w = world();
  await commit(w, 1);
  w.log.held = [];
  let answered = false;
  const committing = commit(w, 2).then(() => {
    answered = true;
  });
  await drain();
  assert.deepEqual([answered, await committed(w)], [false, 1]);
  w.log.release();
  await committing;
  assert.equal(await committed(w), 2);
});

test("what is answered survives a restart, later records win, other groups have their own", async () => {
  const w = world();
  await commit(w, 1);
  await commit(w, 2);
  await commit(w, 7, { groupId: "h" });
  await commit(w, 5, {}, "t", 3);
  w.restart();
  assert.deepEqual([await committed(w), await committed(w, "t", 3), await committed(w, "t", 0, "h")], [2, 5, 7]);
  const all = await w.groups.fetchOffsets({ groupId: "g", topics: null });
  assert.deepEqual(
    all.topics[0]!.partitions.map(({ partitionIndex }) => partitionIndex),
    [0, 3],
  );
  assert.deepEqual(all.topics[0]!.partitions[0], {
    ...{ partitionIndex: 0, committedOffset: 2, committedLeaderEpoch: -1, metadata: "m" },
  });
  const partition = partitionForGroup("g", 3);
  assert.equal(w.groups.partitionFor("g"), partition);
  const kinds = w.log.stored[partition]!.map(({ key }) => decodeKey(key!)!.kind);
  assert.ok(kinds.length >= 3 && kinds.every((kind) => kind === "offset"));
});

test("a commit that cannot be written is refused, and what was before is kept", async () => {
  const w = world();
  await commit(w, 1);
  w.log.failure = new MoldauError("KAFKA_STORAGE_ERROR", "the disk is full");
  assert.equal(codesOf(await commit(w, 2)), "COORDINATOR_NOT_AVAILABLE");
  assert.equal(codesOf(await commit(w, 2, { groupId: "new" })), "COORDINATOR_NOT_AVAILABLE");
  w.log.failure = null;
  assert.equal(await committed(w), 1);
  assert.deepEqual(
    (await w.groups.listGroups()).map(({ groupId }) => groupId),
    ["g"],
  );
});

test("commits that are no good are refused one by one", async () => {
  const w = world({ offsetMetadataMaxBytes: 3 });
  const outcomes = await w.groups.commitOffsets({
    groupId: "g",
    topics: [
      {
        name: "t",
        partitions: [
          { partitionIndex: 0, committedOffset: 1, committedMetadata: "abc" },
          { partitionIndex: 1, committedOffset: 1, committedMetadata: "abcd" },
          { partitionIndex: 4, committedOffset: 1 },
          { partitionIndex: 2, committedOffset: -1 },
          { partitionIndex: 3, committedOffset: 2 ** 53 },
        ],
      },
      { name: "nope", partitions: [{ partitionIndex: 0, committedOffset: 1 }] },
    ],
  });
  assert.deepEqual(
    outcomes.flatMap(({ partitions }) => partitions.map(({ error }) => error?.code ?? "none")),
    [
      "none",
      "OFFSET_METADATA_TOO_LARGE",
      "UNKNOWN_TOPIC_OR_PARTITION",
      "INVALID_REQUEST",
      "INVALID_REQUEST",
      "UNKNOWN_TOPIC_OR_PARTITION",
    ],
  );
  assert.equal(await codeOf(commit(w, 1, { groupId: "" })), "INVALID_GROUP_ID");
  assert.equal(await codeOf(commit(w, 1, { groupId: "x".repeat(513) })), "INVALID_GROUP_ID");
  assert.equal(await codeOf(commit(w, 1, { groupId: "none", generationIdOrMemberEpoch: 1 })), "ILLEGAL_GENERATION");
  assert.equal(await codeOf(commit(w, 1, { memberId: "m" })), "UNKNOWN_MEMBER_ID");
});

test("a member of an older generation does not commit, a member of this one does", async () => {
  const w = world();
  const { memberId, generationId } = await stableGroup(w);
  assert.equal(codesOf(await commit(w, 4, { memberId, generationIdOrMemberEpoch: generationId })), "none");
  assert.equal(
    await codeOf(commit(w, 3, { memberId, generationIdOrMemberEpoch: generationId - 1 })),
    "ILLEGAL_GENERATION",
  );
  assert.equal(await codeOf(commit(w, 3)), "UNKNOWN_MEMBER_ID");
  assert.equal(await committed(w), 4);
  const joined = await consumer(w, "m", 0, "c");
  const { memberEpoch } = joined;
  assert.equal(
    codesOf(await commit(w, 4, { groupId: "c", memberId: "m", generationIdOrMemberEpoch: memberEpoch })),
    "none",
  );
  assert.equal(
    await codeOf(commit(w, 4, { groupId: "c", memberId: "m", generationIdOrMemberEpoch: 0 })),
    "STALE_MEMBER_EPOCH",
  );
  const fetch = (epoch: number, id = "m"): Promise<string> =>
    codeOf(w.groups.fetchOffsets({ groupId: "c", memberId: id, memberEpoch: epoch, topics: null }));
  assert.deepEqual(
    [await fetch(memberEpoch), await fetch(0), await fetch(1, "n")],
    ["none", "STALE_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID"],
  );
});

test("a stable group is there after a restart, and its member goes on", async () => {
  const w = world();
  const { memberId, generationId } = await stableGroup(w);
  w.restart();
  await w.groups.heartbeat({ groupId: "g", memberId, generationId });
  const { assignment } = await w.groups.syncGroup({ groupId: "g", memberId, generationId, assignments: [] });
  assert.deepEqual(assignment, bytesOf("mine"));
  assert.equal((await w.groups.describeGroups(["g"]))[0]!.groupState, "Stable");
});

test("offsets of an active group never expire, also not by a restart; those of an empty one from then on (KAFKA-8069)", async () => {
  const w = world({ offsetsRetentionMs: 7 * dayMs });
  const { memberId, generationId } = await stableGroup(w);
  const stamp = { memberId, generationIdOrMemberEpoch: generationId };
  await commit(w, 1, stamp);
  await commit(w, 2, stamp, "u");
  w.clock.wallMs += 30 * dayMs;
  assert.equal(await w.groups.expire(), 1, "u is not consumed any more");
  w.restart();
  await committed(w);
  assert.equal(await w.groups.expire(), 0);
  assert.equal(await committed(w), 1);
  assert.deepEqual(await w.groups.leaveGroup({ groupId: "g", members: [{ memberId }] }), [
    { memberId, groupInstanceId: null },
  ]);
  w.clock.wallMs += 7 * dayMs - 1;
  w.restart();
  await committed(w);
  assert.equal(await w.groups.expire(), 0);
  w.clock.wallMs += 1;
  assert.equal(await w.groups.expire(), 1);
  assert.equal(await committed(w), -1);
  assert.deepEqual(await w.groups.listGroups(), []);
  w.restart();
  assert.deepEqual(await w.groups.listGroups(), [], "the tombstones are in the log");
});

test("offsets of a group without members expire by their commit, or when the client said so", async () => {
  const w = world({ offsetsRetentionMs: 7 * dayMs });
  await commit(w, 1);
  await commit(w, 2, { retentionTimeMs: dayMs }, "u");
  w.clock.wallMs += dayMs - 1;
  w.restart();
  await committed(w);
  assert.equal(await w.groups.expire(), 0);
  w.clock.wallMs += 1;
  assert.equal(await w.groups.expire(), 1);
  assert.deepEqual([await committed(w, "u"), await committed(w)], [-1, 1]);
  w.clock.wallMs += 5 * dayMs;
  await commit(w, 3, {}, "t", 1);
  w.clock.wallMs += dayMs;
  assert.equal(await w.groups.expire(), 1);
  assert.deepEqual([await committed(w), await committed(w, "t", 1)], [-1, 3]);
});

test("offsets of a consumer group expire when nobody is in it, or the topic is not consumed", async () => {
  const w = world({ offsetsRetentionMs: 7 * dayMs });
  const { memberEpoch } = await consumer(w, "m", 0);
  const stamp = { memberId: "m", generationIdOrMemberEpoch: memberEpoch };
  await commit(w, 1, stamp);
  await commit(w, 1, stamp, "u");
  w.clock.wallMs += 8 * dayMs;
  assert.equal(await w.groups.expire(), 1);
  await consumer(w, "m", -1);
  w.clock.wallMs += 7 * dayMs - 1;
  w.restart();
  assert.equal(await committed(w), 1);
  assert.equal(await w.groups.expire(), 0);
  w.clock.wallMs += 1;
  assert.equal(await w.groups.expire(), 1);
  w.restart();
  assert.deepEqual(await w.groups.listGroups(), []);
});

test("a value of an old broker with an expire time of -1 does not expire on load (KAFKA-8069)", async () => {
  const w = world({ offsetsRetentionMs: 7 * dayMs });
  await w.log.create(3);
  const key = encodeKey({ kind: "offset", group: "g", topic: "t", partition: 0 });
  const value = encodeOffset({
    ...{ offset: 9, leaderEpoch: -1, metadata: "", commitTimestamp: w.clock.now(), expireTimestamp: 0 },
  });
  value.set([255, 255, 255, 255, 255, 255, 255, 255], value.length - 8);
  await store(w, partitionForGroup("g", 3), [{ key, value }]);
  w.restart();
  await committed(w);
  assert.equal(await w.groups.expire(), 0);
  assert.equal(await committed(w), 9);
});

test("expiry comes by itself", async () => {
  const w = world({ offsetsRetentionMs: 60_000, offsetsRetentionCheckIntervalMs: 10_000 });
  await commit(w, 1);
  await w.clock.advance(59_000);
  assert.equal(await committed(w), 1);
  await w.clock.advance(2000);
  assert.equal(await committed(w), -1);
  w.groups.close();
});

test("offsets are deleted, but not of topics that the group consumes", async () => {
  const w = world();
  const { memberId, generationId } = await stableGroup(w);
  const stamp = { memberId, generationIdOrMemberEpoch: generationId };
  await commit(w, 1, stamp);
  await commit(w, 2, stamp, "u");
  const topics = [
    { name: "t", partitions: [0] },
    { name: "u", partitions: [0, 1, 2] },
  ];
  const outcomes = await w.groups.deleteOffsets({ groupId: "g", topics });
  assert.deepEqual(
    outcomes.map(({ partitions }) => partitions.map(({ error }) => error?.code ?? "none")),
    [["GROUP_SUBSCRIBED_TO_TOPIC"], ["none", "none", "UNKNOWN_TOPIC_OR_PARTITION"]],
  );
  assert.deepEqual([await committed(w), await committed(w, "u")], [1, -1]);
  await w.groups.leaveGroup({ groupId: "g", members: [{ memberId }] });
  await w.groups.deleteOffsets({ groupId: "g", topics });
  w.restart();
  assert.deepEqual([await committed(w), await committed(w, "u")], [-1, -1]);
  assert.equal(await codeOf(w.groups.deleteOffsets({ groupId: "nope", topics })), "GROUP_ID_NOT_FOUND");
  const other = await w.groups.joinGroup({
    ...{ groupId: "x", sessionTimeoutMs: 10_000, memberId: "", protocolType: "connect" },
    protocols: [{ name: "p", metadata: bytesOf("?") }],
  });
  assert.equal(other.generationId, 1);
  assert.equal(await codeOf(w.groups.deleteOffsets({ groupId: "x", topics })), "NON_EMPTY_GROUP");
});

test("a delete that comes while a commit is on its way removes that too, also for a restart", async () => {
  const w = world();
  await commit(w, 1);
  w.log.held = [];
  const committing = commit(w, 2, {}, "t", 1);
  await drain();
  const deleting = w.groups.deleteGroups(["g"]);
  await drain();
  const after = commit(w, 3, {}, "t", 2);
  await drain();
  w.log.release();
  await Promise.all([committing, deleting, after]);
  const fetch = (): Promise<number[]> => Promise.all([committed(w), committed(w, "t", 1), committed(w, "t", 2)]);
  assert.deepEqual(await fetch(), [-1, -1, 3]);
  w.restart();
  assert.deepEqual(await fetch(), [-1, -1, 3]);
});

test("groups are deleted when nobody is in them", async () => {
  const w = world();
  const { memberId, generationId } = await stableGroup(w);
  await commit(w, 1, { memberId, generationIdOrMemberEpoch: generationId });
  await consumer(w, "m", 0, "c");
  const codes = async (ids: string[]): Promise<string[]> =>
    (await w.groups.deleteGroups(ids)).map(({ error }) => error?.code ?? "none");
  assert.deepEqual(await codes(["g", "c", "nope"]), ["NON_EMPTY_GROUP", "NON_EMPTY_GROUP", "GROUP_ID_NOT_FOUND"]);
  await w.groups.leaveGroup({ groupId: "g", members: [{ memberId }] });
  await consumer(w, "m", -1, "c");
  assert.deepEqual(await codes(["g", "c"]), ["none", "none"]);
  assert.deepEqual(await codes(["g", "c"]), ["GROUP_ID_NOT_FOUND", "GROUP_ID_NOT_FOUND"]);
  assert.deepEqual(await w.groups.listGroups(), []);
  w.restart();
  assert.deepEqual(await w.groups.listGroups(), []);
  assert.equal(await committed(w), -1);
});

test("offsets of a deleted topic go, and a new topic of its name begins without", async () => {
  const w = world();
  const { memberId, generationId } = await stableGroup(w);
  await commit(w, 1, { memberId, generationIdOrMemberEpoch: generationId });
  w.topics.delete("t");
  await w.groups.topicDeleted("t");
  w.createTopic("t", 4);
  assert.equal(await committed(w), -1);
  w.restart();
  assert.equal(await committed(w), -1);
  // A crash came before the tombstones: the topic is missing at the next start.
  await commit(w, 5, { groupId: "h" });
  w.topics.delete("t");
  w.restart();
  w.createTopic("t", 4);
  assert.equal(await committed(w, "t", 0, "h"), -1);
});

test("a group has one protocol while it has members; an empty one changes over and keeps its offsets", async () => {
  const w = world();
  const { memberId, generationId } = await stableGroup(w);
  await commit(w, 7, { memberId, generationIdOrMemberEpoch: generationId });
  assert.equal(await codeOf(consumer(w, "m", 0)), "GROUP_ID_NOT_FOUND");
  assert.equal((await w.groups.describeConsumerGroups(["g"]))[0]!.error?.code, "GROUP_ID_NOT_FOUND");
  await w.groups.leaveGroup({ groupId: "g", members: [{ memberId }] });
  const joined = await consumer(w, "m", 0);
  assert.equal(joined.memberEpoch, 1);
  assert.equal(await codeOf(stableGroup(w)), "INCONSISTENT_GROUP_PROTOCOL");
  assert.equal(await codeOf(w.groups.heartbeat({ groupId: "g", memberId, generationId })), "UNKNOWN_MEMBER_ID");
  assert.equal(
    (await w.groups.leaveGroup({ groupId: "g", members: [{ memberId }] }))[0]!.error?.code,
    "UNKNOWN_MEMBER_ID",
  );
  assert.equal((await w.groups.describeGroups(["g"]))[0]!.error?.code, "GROUP_ID_NOT_FOUND");
  w.restart();
  assert.deepEqual(
    (await w.groups.listGroups()).map(({ groupType, groupState }) => [groupType, groupState]),
    [["consumer", "Stable"]],
  );
  assert.equal(await committed(w), 7);
  await consumer(w, "m", -1);
  const again = await stableGroup(w);
  assert.equal(again.generationId, 1);
  w.restart();
  assert.deepEqual(
    (await w.groups.listGroups()).map(({ groupType, groupState }) => [groupType, groupState]),
    [["classic", "Stable"]],
  );
  assert.equal(await committed(w), 7);
});

test("a refused join leaves nothing behind", async () => {
  const w = world();
  const request = { groupId: "g", memberId: "", protocolType: "consumer", protocols: [] };
  assert.equal(
    await codeOf(w.groups.joinGroup({ ...request, sessionTimeoutMs: 10_000 })),
    "INCONSISTENT_GROUP_PROTOCOL",
  );
  assert.equal(await codeOf(w.groups.joinGroup({ ...request, sessionTimeoutMs: 1 })), "INVALID_SESSION_TIMEOUT");
  assert.equal(
    await codeOf(w.groups.joinGroup({ ...request, memberId: "x", sessionTimeoutMs: 1 })),
    "UNKNOWN_MEMBER_ID",
  );
  const bad = { groupId: "g", memberId: "m", memberEpoch: 0, serverAssignor: "nope" };
  assert.equal(await codeOf(w.groups.consumerGroupHeartbeat(bad)), "UNSUPPORTED_ASSIGNOR");
  assert.equal(await codeOf(w.groups.consumerGroupHeartbeat({ ...bad, groupId: "" })), "INVALID_GROUP_ID");
  assert.deepEqual(await w.groups.listGroups(), []);
});

test("a newcomer's id is remembered by a group that had nobody", async () => {
  const w = world();
  const request = {
    ...{ groupId: "g", sessionTimeoutMs: 10_000, protocolType: "consumer", requireKnownMemberId: true },
    protocols: [{ name: "range", metadata: subscription(["t"]) }],
  };
  let memberId = "";
  await w.groups.joinGroup({ ...request, memberId: "" }).catch((error: { code: string; memberId: string }) => {
    assert.equal(error.code, "MEMBER_ID_REQUIRED");
    memberId = error.memberId;
  });
  assert.equal((await w.groups.joinGroup({ ...request, memberId })).memberId, memberId);
});

test("groups are listed by state and type", async () => {
  const w = world();
  await stableGroup(w, ["t"], "classic");
  await consumer(w, "m", 0, "consumer");
  await commit(w, 1, { groupId: "offsets" });
  const ids = async (request: Parameters<typeof w.groups.listGroups>[0]): Promise<string> =>
    (await w.groups.listGroups(request)).map(({ groupId }) => groupId).join();
  assert.equal(await ids({}), "classic,consumer,offsets");
  assert.equal(await ids({ statesFilter: ["stable"] }), "classic,consumer");
  assert.equal(await ids({ statesFilter: ["EMPTY"] }), "offsets");
  assert.equal(await ids({ typesFilter: ["Classic"] }), "classic,offsets");
  assert.equal((await w.groups.describeGroups(["offsets"]))[0]!.groupState, "Empty");
});

test("a consumer group's answer waits for its records, also for those that another's heartbeat made", async () => {
  const w = world();
  const a = await consumer(w, "a", 0);
  w.log.held = [];
  let joined = false;
  let beaten = false;
  const joining = consumer(w, "b", 0).then(() => void (joined = true));
  await drain();
  const full = { subscribedTopicNames: ["t"], rebalanceTimeoutMs: 1000, topicPartitions: a.assignment! };
  const beating = w.groups
    .consumerGroupHeartbeat({ groupId: "g", memberId: "a", memberEpoch: 1, ...full })
    .then(() => void (beaten = true));
  await drain();
  assert.deepEqual([joined, beaten], [false, false]);
  w.log.release();
  await Promise.all([joining, beating]);
});

test("when a consumer group cannot be written, it is read again: nobody builds on what is not stored", async () => {
  const w = world();
  await consumer(w, "a", 0);
  const reads = w.log.reads;
  w.log.failure = new MoldauError("KAFKA_STORAGE_ERROR", "the disk is full");
  assert.equal(await codeOf(consumer(w, "b", 0)), "COORDINATOR_NOT_AVAILABLE");
  w.log.failure = null;
  assert.equal((await w.groups.describeConsumerGroups(["g"]))[0]!.members.length, 1);
  assert.ok(w.log.reads > reads);
  assert.equal((await consumer(w, "b", 0)).memberEpoch, 2);
  assert.equal(await codeOf(consumer(w, "a", 1)), "none");
});

test("classic members that wait hear of it when their shard is put down", async () => {
  const w = world({ offsetsTopicPartitions: 1 });
  await consumer(w, "a", 0);
  await stableGroup(w, ["t"], "classic");
  const waiting = codeOf(
    w.groups.joinGroup({
      ...{ groupId: "classic", sessionTimeoutMs: 10_000, memberId: "", protocolType: "consumer" },
      protocols: [{ name: "range", metadata: subscription(["t"]) }],
    }),
  );
  await drain();
  w.log.failure = new MoldauError("KAFKA_STORAGE_ERROR", "the disk is full");
  await codeOf(consumer(w, "b", 0));
  assert.equal(await waiting, "NOT_COORDINATOR");
  w.log.failure = null;
  assert.equal((await w.groups.describeGroups(["classic"]))[0]!.groupState, "Stable");
});

test("a log that cannot be read refuses its groups, and is read once it can", async () => {
  const w = world();
  await commit(w, 1);
  const { read } = w.log;
  // biome-ignore lint/correctness/useYield: it fails before there is anything to give
  w.log.read = async function* () {
    throw new MoldauError("LEADER_NOT_AVAILABLE", "the partition is offline");
  };
  w.restart();
  assert.equal(await codeOf(committed(w)), "COORDINATOR_NOT_AVAILABLE");
  assert.equal(await codeOf(commit(w, 2)), "COORDINATOR_NOT_AVAILABLE");
  w.log.read = read;
  assert.equal(await committed(w), 1);
});

test("records of others in the log are passed over", async () => {
  const w = world();
  await commit(w, 1);
  const partition = partitionForGroup("g", 3);
  const group = encodeKey({ kind: "classicGroup", group: "g" });
  await store(w, partition, [
    { key: bytesOf("?"), value: null },
    { key: Uint8Array.from([0, 11, 0, 1, 103]), value: bytesOf("streams") },
    { key: group, value: bytesOf("nonsense") },
  ]);
  w.log.stored[partition]!.push({ key: null, value: null, timestamp: 1 });
  w.restart();
  assert.equal(await committed(w), 1);
  assert.ok(
    w.said.some((line) => /2 records were passed over/.test(line)),
    w.said.join(),
  );
});

test("a group that another broker stored without a state's time expires by its commits", async () => {
  const w = world({ offsetsRetentionMs: dayMs });
  await commit(w, 1);
  const value = encodeClassicGroup({
    ...{ protocolType: "consumer", generationId: 1, protocolName: null, leader: null, stateTimestamp: -1, members: [] },
  });
  await store(w, partitionForGroup("g", 3), [{ key: encodeKey({ kind: "classicGroup", group: "g" }), value }]);
  w.clock.wallMs += dayMs;
  w.restart();
  await committed(w);
  assert.equal(await w.groups.expire(), 1);
});

test("appends under way are bounded", async () => {
  const w = world();
  await commit(w, 1);
  w.log.held = [];
  const { maxPendingGroupAppends } = await import("../limits.ts");
  const commits = Array.from({ length: maxPendingGroupAppends }, () => commit(w, 1));
  await drain();
  assert.equal(await codeOf(commit(w, 2)), "COORDINATOR_NOT_AVAILABLE");
  w.log.release();
  await Promise.all(commits);
  assert.equal(codesOf(await commit(w, 2)), "none");
});

test("groups are bounded all together: one more is refused in either protocol, and one that is deleted makes room", async () => {
  const world = createGroupWorld();
  world.createTopic("t", 1);
  await commit(world, 1, { groupId: "group-0" });
  const value = world.log.stored.flat().at(-1)!.value;
  const ids = Array.from({ length: maxGroups }, (_, at) => `group-${at}`);
  for (const group of ids) {
    const key = encodeKey({ kind: "offset", group, topic: "t", partition: 0 });
    world.log.stored[partitionForGroup(group, 3)]!.push({ key, value, timestamp: world.clock.now() });
  }
  world.restart();
  await world.groups.listGroups();
  assert.equal(world.groups.metrics().committedOffsets, maxGroups);
  assert.equal(await codeOf(commit(world, 1, { groupId: "more" })), "COORDINATOR_NOT_AVAILABLE");
  assert.equal(await codeOf(stableGroup(world, ["t"], "more")), "COORDINATOR_NOT_AVAILABLE");
  assert.equal(await codeOf(consumer(world, "m", 0, "more")), "COORDINATOR_NOT_AVAILABLE");
  await commit(world, 2, { groupId: ids[7]! });
  assert.equal(await committed(world, "t", 0, ids[7]!), 2, "those that are there go on");
  await world.groups.deleteGroups([ids[0]!]);
  await consumer(world, "m", 0, "more");
  assert.equal(await codeOf(commit(world, 1, { groupId: ids[0]! })), "COORDINATOR_NOT_AVAILABLE");
  assert.deepEqual(
    world.groups.metrics().groups.map(({ groupType, groupState, count }) => [groupType, groupState, count]),
    [
      ["classic", "Empty", maxGroups - 1],
      ["consumer", "Stable", 1],
    ],
  );
});

test("a closed coordinator ends all waits", async () => {
  const w = world();
  await stableGroup(w);
  const waiting = codeOf(
    w.groups.joinGroup({
      ...{ groupId: "g", sessionTimeoutMs: 10_000, memberId: "", protocolType: "consumer" },
      protocols: [{ name: "range", metadata: subscription(["t"]) }],
    }),
  );
  await drain();
  w.groups.close();
  assert.equal(await waiting, "BROKER_CLOSED");
  assert.equal(await codeOf(commit(w, 1)), "BROKER_CLOSED");
  assert.equal(await codeOf(w.groups.listGroups()), "BROKER_CLOSED");
});

test("many offsets of one commit go in batches", async () => {
  const w = world();
  w.createTopic("wide", 4000);
  const partitions = Array.from({ length: 4000 }, (_, partitionIndex) => ({
    ...{ partitionIndex, committedOffset: partitionIndex, committedMetadata: "x".repeat(1000) },
  }));
  assert.equal(codesOf(await w.groups.commitOffsets({ groupId: "g", topics: [{ name: "wide", partitions }] })), "none");
  w.restart();
  assert.equal(await committed(w, "wide", 3999), 3999);
  await w.groups.deleteGroups(["g"]);
  w.restart();
  assert.equal(await committed(w, "wide", 3999), -1);
});
