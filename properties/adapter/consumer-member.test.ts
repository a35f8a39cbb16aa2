// A member whose join or leave stays without an answer leaves nobody behind in the group.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Broker } from "../../engine/index.ts";
import { memoryStorage, openBroker } from "../../server/runtime/web/index.ts";
import type { GroupMember, Membership } from "./contract.ts";
import { EngineAdapter } from "./engine.ts";

interface Group {
  readonly broker: Broker;
  readonly member: GroupMember;
  readonly shares: Membership[];
  /** The next answer is lost on its way; what was asked for has happened. */
  loseAnswer(): void;
}

async function group(context: TestContext): Promise<Group> {
  const broker = await openBroker({ storage: memoryStorage() });
  context.after(() => broker.close());
  await broker.createTopic("t", { partitions: 2 });
  let loses = false;
  const { groups } = broker;
  const heard = groups.consumerGroupHeartbeat.bind(groups);
  groups.consumerGroupHeartbeat = async (request) => {
    const answer = await heard(request);
    if (!loses) return answer;
    loses = false;
    throw new Error("no answer");
  };
  const shares: Membership[] = [];
  const adapter = new EngineAdapter(broker);
  const member = await adapter.joinGroup("g", ["t"], { revoked: () => {}, assigned: (share) => shares.push(share) });
  return { broker, member, shares, loseAnswer: () => void (loses = true) };
}

async function members({ broker }: Group): Promise<string[]> {
  const [described] = await broker.groups.describeConsumerGroups(["g"]);
  return (described?.members ?? []).map(({ memberId }) => memberId);
}

test("who joins again because the answer was lost takes its own place", async (context) => {
  const scene = await group(context);
  scene.loseAnswer();
  await assert.rejects(scene.member.heartbeat());
  await scene.member.heartbeat();
  assert.equal((await members(scene)).length, 1);
  assert.equal(scene.shares.at(-1)?.partitions.length, 2, "and has all of it at once");
});

test("who leaves without an answer leaves again, and who was not there has left", async (context) => {
  const scene = await group(context);
  await scene.member.leave();
  await scene.member.heartbeat();
  scene.loseAnswer();
  await assert.rejects(scene.member.leave());
  await scene.member.leave();
  assert.deepEqual(await members(scene), []);
});

test("who is no member any more, by what the engine says, joins again", async (context) => {
  const scene = await group(context);
  await scene.member.heartbeat();
  const memberId = scene.shares.at(-1)?.member as string;
  await scene.broker.groups.consumerGroupHeartbeat({ groupId: "g", memberId, memberEpoch: -1 });
  await assert.rejects(scene.member.heartbeat());
  await scene.member.heartbeat();
  assert.deepEqual(await members(scene), [memberId]);
});
