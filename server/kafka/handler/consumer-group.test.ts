// KIP-848 over connections: ConsumerGroupHeartbeat and ConsumerGroupDescribe, in every version.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { consumerGroupDescribe } from "../schema/consumer-group-describe.ts";
import { consumerGroupHeartbeat } from "../schema/consumer-group-heartbeat.ts";
import type { Read, Written } from "../schema/notation.ts";
import { offsetFetch } from "../schema/offset-fetch.ts";
import { type Asked, nameOf, openAsked, said, versionsOf } from "./admin.test.support.ts";
import { beat, committed, onlyMember } from "./groups.test.support.ts";

type Request = Written<(typeof consumerGroupHeartbeat)["request"]>;

function joinOf(more: Partial<Request> = {}): Request {
  return {
    ...{ groupId: "g", memberId: "m1", memberEpoch: 0, rebalanceTimeoutMs: 1000 },
    ...{ subscribedTopicNames: ["t"], topicPartitions: [], ...more },
  };
}

async function beaten(
  { ask }: Pick<Asked, "ask">,
  version: number,
  request: Request,
): Promise<Read<(typeof consumerGroupHeartbeat)["response"]>> {
  return ask(consumerGroupHeartbeat, version, request);
}

for (const version of versionsOf(consumerGroupHeartbeat)) {
  test(`ConsumerGroupHeartbeat ${version}: members share what there is, and fenced ones are told`, async () => {
    const asked = await openAsked();
    const { id: topicId } = await asked.broker.createTopic("t", { partitions: 2 });
    const first = await beaten(asked, version, joinOf());
    deepStrictEqual([said(first), first.memberId, first.heartbeatIntervalMs], ["NONE", "m1", 5000]);
    deepStrictEqual(first.assignment, { topicPartitions: [{ topicId, partitions: [0, 1] }] });
    const unchanged = { groupId: "g", memberId: "m1", memberEpoch: first.memberEpoch };
    strictEqual((await beaten(asked, version, unchanged)).assignment, null);
    strictEqual(said(await beaten(asked, version, joinOf({ memberId: "m2" }))), "NONE");
    const shrunk = await beaten(asked, version, unchanged);
    strictEqual(shrunk.assignment!.topicPartitions[0]!.partitions.length, 1);
    match(said(await beaten(asked, version, { ...unchanged, memberEpoch: 99 })), /^FENCED_MEMBER_EPOCH: ./);
    match(said(await beaten(asked, version, { ...unchanged, memberId: "m3" })), /^UNKNOWN_MEMBER_ID: ./);
    match(said(await beaten(asked, version, joinOf({ serverAssignor: "best" }))), /^UNSUPPORTED_ASSIGNOR: ./);
    match(said(await beaten(asked, version, joinOf({ groupId: "" }))), /^INVALID_GROUP_ID: ./);
    const gone = await beaten(asked, version, { ...unchanged, memberEpoch: -1 });
    deepStrictEqual([said(gone), gone.memberEpoch], ["NONE", -1]);
    match(said(await beaten(asked, version, unchanged)), /^UNKNOWN_MEMBER_ID/);
  });
}

test("ConsumerGroupHeartbeat: version 0 gives an id, version 1 wants one, and takes an expression of topics", async () => {
  const asked = await openAsked();
  for (const name of ["logs-a", "logs-b", "other"]) await asked.broker.createTopic(name, { partitions: 1 });
  const given = await beaten(asked, 0, joinOf({ memberId: "", groupId: "h" }));
  match(given.memberId!, /^[0-9A-Za-z_-]{20,}$/);
  match(said(await beaten(asked, 1, joinOf({ memberId: "" }))), /^INVALID_REQUEST: the member id is empty/);
  const matching = joinOf({ subscribedTopicNames: null, subscribedTopicRegex: "logs-.*" });
  strictEqual((await beaten(asked, 1, matching)).assignment!.topicPartitions.length, 2);
  const wrong = joinOf({ subscribedTopicNames: null, subscribedTopicRegex: "(", groupId: "i" });
  match(said(await beaten(asked, 1, wrong)), /^INVALID_REGULAR_EXPRESSION: ./);
});

test("a member commits and asks for offsets in its epoch alone", async () => {
  const asked = await openAsked();
  await asked.broker.createTopic("t");
  const { memberEpoch } = await beaten(asked, 1, joinOf());
  const by = (generationIdOrMemberEpoch: number, version: number): Promise<string> =>
    committed(asked, 1, { memberId: "m1", generationIdOrMemberEpoch }, version);
  strictEqual(await by(memberEpoch, 9), "NONE");
  strictEqual(await by(memberEpoch - 1, 9), "STALE_MEMBER_EPOCH");
  strictEqual(await by(memberEpoch - 1, 8), "UNSUPPORTED_VERSION");
  const fetched = async (epoch: number): Promise<string> => {
    const groups = [{ groupId: "g", memberId: "m1", memberEpoch: epoch, topics: null }];
    return nameOf((await asked.ask(offsetFetch, 9, { groups })).groups[0]!.errorCode);
  };
  strictEqual(await fetched(memberEpoch), "NONE");
  strictEqual(await fetched(memberEpoch - 1), "STALE_MEMBER_EPOCH");
});

test("a group's members speak one protocol", async () => {
  const asked = await openAsked();
  await asked.broker.createTopic("t");
  const member = await onlyMember(asked);
  match(said(await beaten(asked, 1, joinOf())), /^GROUP_ID_NOT_FOUND: .*classic/);
  strictEqual(await beat(asked, member), "NONE");
});

test("ConsumerGroupDescribe 0 shows members with what they have and will have", async () => {
  const asked = await openAsked();
  const { id: topicId } = await asked.broker.createTopic("t", { partitions: 2 });
  const { memberEpoch } = await beaten(asked, 1, joinOf({ instanceId: "i", rackId: "r" }));
  await onlyMember(asked, { groupId: "old" });
  const { groups } = await asked.ask(consumerGroupDescribe, 0, {
    ...{ groupIds: ["g", "old", "none", "g"], includeAuthorizedOperations: true },
  });
  deepStrictEqual(
    groups.map((one) => [one.groupId, nameOf(one.errorCode), one.authorizedOperations]),
    [
      ["g", "NONE", 0b1_0100_1000],
      ["old", "GROUP_ID_NOT_FOUND", 0b1_0100_1000],
      ["none", "GROUP_ID_NOT_FOUND", 0b1_0100_1000],
    ],
  );
  ok(groups[1]!.errorMessage!.length > 0);
  const [group] = groups;
  const all = { topicPartitions: [{ topicId, topicName: "t", partitions: [0, 1] }] };
  deepStrictEqual(
    [group!.groupState, group!.groupEpoch, group!.assignmentEpoch, group!.assignorName],
    ["Stable", memberEpoch, memberEpoch, "uniform"],
  );
  deepStrictEqual(group!.members, [
    {
      ...{ memberId: "m1", instanceId: "i", rackId: "r", memberEpoch, clientId: "test", clientHost: "/127.0.0.1" },
      ...{ subscribedTopicNames: ["t"], subscribedTopicRegex: null, assignment: all, targetAssignment: all },
    },
  ]);
});
