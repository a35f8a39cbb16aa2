// Committed offsets over connections: OffsetCommit, OffsetFetch and OffsetDelete, in every version.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { limits, memoryStorage } from "../../../engine/index.ts";
import { offsetCommit } from "../schema/offset-commit.ts";
import { offsetDelete } from "../schema/offset-delete.ts";
import { offsetFetch } from "../schema/offset-fetch.ts";
import { type Asked, nameOf, openAsked, versionsOf } from "./admin.test.support.ts";
import { committed, left, offsetOf, onlyMember } from "./groups.test.support.ts";

async function openWithTopic(storage = memoryStorage()): Promise<Asked> {
  const asked = await openAsked({}, storage);
  await asked.broker.createTopic("t", { partitions: 2 });
  return asked;
}

for (const version of versionsOf(offsetCommit)) {
  test(`OffsetCommit ${version}: members commit in their generation, others only to a group without members`, async () => {
    const asked = await openWithTopic();
    strictEqual(await committed(asked, 3, {}, version), "NONE");
    strictEqual(await offsetOf(asked), 3);
    const { memberId, generationId } = await onlyMember(asked);
    const by = (member: object, offset: number): Promise<string> => committed(asked, offset, member, version);
    strictEqual(await by({}, 4), "UNKNOWN_MEMBER_ID");
    strictEqual(await by({ memberId, generationIdOrMemberEpoch: generationId - 1 }, 5), "ILLEGAL_GENERATION");
    strictEqual(await by({ memberId: "stranger", generationIdOrMemberEpoch: generationId }, 6), "UNKNOWN_MEMBER_ID");
    strictEqual(await offsetOf(asked), 3, "what was refused is not there");
    strictEqual(await by({ memberId, generationIdOrMemberEpoch: generationId }, 7), "NONE");
    strictEqual(await offsetOf(asked), 7);
    strictEqual(await left(asked, { memberId }), "NONE");
    strictEqual(await by({ memberId, generationIdOrMemberEpoch: generationId }, 8), "UNKNOWN_MEMBER_ID");
    strictEqual(await offsetOf(asked), 7);
  });

  test(`OffsetCommit ${version}: each partition has its own error`, async () => {
    const asked = await openWithTopic();
    const one = (partitionIndex: number, committedOffset: number, committedMetadata: string | null) => ({
      ...{ partitionIndex, committedOffset, committedMetadata },
    });
    const { topics } = await asked.ask(offsetCommit, version, {
      ...{ groupId: "g", memberId: "" },
      topics: [
        { name: "t", partitions: [one(0, 5, null), one(1, -3, ""), one(2, 0, "")] },
        { name: "t", partitions: [one(1, 6, "m".repeat(4097))] },
        { name: "unknown", partitions: [one(0, 0, "")] },
      ],
    });
    deepStrictEqual(
      topics.map(({ name, partitions }) => [name, ...partitions.map(({ errorCode }) => nameOf(errorCode))]),
      [
        ["t", "NONE", "INVALID_REQUEST", "UNKNOWN_TOPIC_OR_PARTITION"],
        ["t", "OFFSET_METADATA_TOO_LARGE"],
        ["unknown", "UNKNOWN_TOPIC_OR_PARTITION"],
      ],
    );
    strictEqual(await offsetOf(asked), 5);
    strictEqual(await committed(asked, 1, { groupId: "" }, version), "INVALID_GROUP_ID");
    strictEqual(
      await committed(asked, 1, { groupId: "nobody's", generationIdOrMemberEpoch: 1 }, version),
      "ILLEGAL_GENERATION",
    );
  });
}

test("OffsetCommit: -2 and -1, which kafkajs resets groups with, are the earliest and the latest offset", async () => {
  const asked = await openWithTopic();
  await asked.broker.produce(
    "t",
    Array.from({ length: 5 }, () => ({ value: "v", partition: 0 })),
  );
  strictEqual(await committed(asked, -1), "NONE");
  strictEqual(await offsetOf(asked), 5);
  await asked.broker.deleteRecords("t", 0, 2);
  strictEqual(await committed(asked, -2), "NONE");
  strictEqual(await offsetOf(asked), 2);
});

test("committed offsets outlive the broker", async () => {
  const storage = memoryStorage();
  const before = await openWithTopic(storage);
  strictEqual(await committed(before, 42), "NONE");
  await before.broker.close();
  strictEqual(
    await offsetOf(
      await openAsked(
        {},
        storage.crash(() => 0, {}),
      ),
    ),
    42,
  );
});

for (const version of versionsOf(offsetFetch)) {
  test(`OffsetFetch ${version} has what is committed, and -1 for the rest`, async () => {
    const asked = await openWithTopic();
    strictEqual(await committed(asked, 3), "NONE");
    const fetched = async (topics: { name: string; partitionIndexes: number[] }[] | null): Promise<unknown> => {
      const request = version >= 8 ? { groups: [{ groupId: "g", topics }] } : { groupId: "g", topics };
      const answer = await asked.ask(offsetFetch, version, request);
      const whole = version >= 8 ? answer.groups[0]! : answer;
      strictEqual(nameOf(whole.errorCode), "NONE");
      return whole.topics.map(({ name, partitions }) => [
        name,
        ...partitions.map((one) => [one.partitionIndex, one.committedOffset, one.metadata, nameOf(one.errorCode)]),
      ]);
    };
    deepStrictEqual(
      await fetched([
        { name: "t", partitionIndexes: [0, 1] },
        { name: "unknown", partitionIndexes: [9] },
      ]),
      [
        ["t", [0, 3, "so far", "NONE"], [1, -1, "", "NONE"]],
        ["unknown", [9, -1, "", "NONE"]],
      ],
    );
    if (version >= 2) deepStrictEqual(await fetched(null), [["t", [0, 3, "so far", "NONE"]]]);
  });

  test(`OffsetFetch ${version} refuses what would be more than anybody has`, async () => {
    const { ask } = await openAsked();
    const partitionIndexes = Array.from({ length: limits.maxOffsetsPerGroup }, (_, at) => at);
    const topics = [{ name: "t", partitionIndexes }];
    const request = version >= 8 ? { groups: [{ groupId: "g", topics }] } : { groupId: "g", topics };
    const answer = await ask(offsetFetch, version, request);
    const codes =
      version >= 8
        ? answer.groups.map(({ errorCode }) => errorCode)
        : version >= 2
          ? [answer.errorCode]
          : answer.topics[0]!.partitions.map(({ errorCode }) => errorCode);
    deepStrictEqual([...new Set(codes.map(nameOf))], ["INVALID_REQUEST"]);
  });
}

test("OffsetFetch of many groups: each has its own offsets or its own error", async () => {
  const asked = await openWithTopic();
  for (const [at, groupId] of ["a", "b", "c"].entries()) strictEqual(await committed(asked, at, { groupId }), "NONE");
  const asking = (groupId: string, more: object = {}) => ({ groupId, topics: null, ...more });
  const { groups } = await asked.ask(offsetFetch, 9, {
    groups: [
      asking("a"),
      asking("g".repeat(513)),
      asking("b"),
      asking("c"),
      asking("c"),
      asking("none", { memberId: "m", memberEpoch: 1 }),
    ],
  });
  deepStrictEqual(
    groups.map(({ groupId, errorCode, topics }) => [
      ...[groupId.slice(0, 5), nameOf(errorCode)],
      ...topics.map(({ partitions }) => partitions[0]!.committedOffset),
    ]),
    [
      ["a", "NONE", 0],
      ["ggggg", "INVALID_GROUP_ID"],
      ["b", "NONE", 1],
      ["c", "INVALID_REQUEST"],
      ["none", "GROUP_ID_NOT_FOUND"],
    ],
  );
});

test("OffsetFetch: an answer has a bound, however little the request says", async () => {
  const asked = await openWithTopic();
  const committedMetadata = "m".repeat(4096);
  await asked.ask(offsetCommit, 9, {
    ...{ groupId: "g", memberId: "" },
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata }] }],
  });
  const names = (count: number) => [{ name: "t", partitionIndexes: new Array<number>(count).fill(0) }];
  const codeOf = async (count: number): Promise<string> =>
    nameOf((await asked.ask(offsetFetch, 7, { groupId: "g", topics: names(count) })).errorCode);
  strictEqual(await codeOf(5), "NONE");
  strictEqual(await codeOf(10_000), "MESSAGE_TOO_LARGE");
});

test("OffsetDelete 0 forgets what nobody consumes, each partition by itself", async () => {
  const asked = await openWithTopic();
  const deleting = async (groupId = "g"): Promise<string[]> => {
    const { errorCode, topics } = await asked.ask(offsetDelete, 0, {
      groupId,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0 }, { partitionIndex: 5 }] }],
    });
    return [errorCode, ...topics.flatMap(({ partitions }) => partitions.map((one) => one.errorCode))].map(nameOf);
  };
  deepStrictEqual(await deleting(), ["GROUP_ID_NOT_FOUND"]);
  strictEqual(await committed(asked, 3), "NONE");
  const member = await onlyMember(asked);
  deepStrictEqual(await deleting(), ["NON_EMPTY_GROUP"], "what its member consumes cannot be read");
  strictEqual(await offsetOf(asked), 3);
  strictEqual(await left(asked, member), "NONE");
  deepStrictEqual(await deleting(), ["NONE", "NONE", "UNKNOWN_TOPIC_OR_PARTITION"]);
  strictEqual(await offsetOf(asked), -1);
});
