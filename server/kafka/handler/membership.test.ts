// The classic protocol over connections: join, sync, heartbeat and leave, in every version.

import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { drain } from "../../../engine/broker/world.test.support.ts";
import { heartbeat } from "../schema/heartbeat.ts";
import { joinGroup } from "../schema/join-group.ts";
import { leaveGroup } from "../schema/leave-group.ts";
import { syncGroup } from "../schema/sync-group.ts";
import { nameOf, openAsked, versionsOf } from "./admin.test.support.ts";
import { beat, bytesOf, committed, joined, joinOf, left, onlyMember, textOf } from "./groups.test.support.ts";
import { maxNamed } from "./outcome.ts";

for (const version of versionsOf(joinGroup)) {
  test(`JoinGroup ${version}: a newcomer joins, ${version >= 4 ? "with the id that it is given first" : "at once"}`, async () => {
    const { ask } = await openAsked();
    let answer = await ask(joinGroup, version, joinOf());
    if (version >= 4) {
      strictEqual(nameOf(answer.errorCode), "MEMBER_ID_REQUIRED");
      match(answer.memberId, /^test-[0-9a-f-]{36}$/);
      strictEqual(answer.generationId, -1);
      answer = await ask(joinGroup, version, joinOf({ memberId: answer.memberId }));
    }
    const { memberId } = answer;
    strictEqual(nameOf(answer.errorCode), "NONE");
    deepStrictEqual(
      [answer.generationId, answer.protocolName, answer.protocolType, answer.leader, answer.skipAssignment],
      [1, "range", version >= 7 ? "consumer" : null, memberId, false],
    );
    deepStrictEqual(
      answer.members.map((member) => [member.memberId, member.groupInstanceId, textOf(member.metadata)]),
      [[memberId, null, "what it reads"]],
    );
  });

  test(`JoinGroup ${version} refuses in words of its own`, async () => {
    const { ask } = await openAsked();
    const refused = async (more: Parameters<typeof joinOf>[0]): Promise<string> =>
      nameOf((await ask(joinGroup, version, joinOf(more))).errorCode);
    strictEqual(await refused({ groupId: "" }), "INVALID_GROUP_ID");
    strictEqual(await refused({ groupId: "g".repeat(513) }), "INVALID_GROUP_ID");
    strictEqual(await refused({ sessionTimeoutMs: 5999 }), "INVALID_SESSION_TIMEOUT");
    strictEqual(await refused({ memberId: "somebody" }), "UNKNOWN_MEMBER_ID");
    strictEqual(await refused({ protocols: [] }), "INCONSISTENT_GROUP_PROTOCOL");
    strictEqual(await refused({ protocolType: "" }), "INCONSISTENT_GROUP_PROTOCOL");
    const protocols = Array.from({ length: 65 }, (_, at) => ({ name: `p${at}`, metadata: bytesOf("") }));
    strictEqual(await refused({ protocols }), "INVALID_REQUEST");
  });

  if (version < 5) continue;
  test(`JoinGroup ${version}: a static member comes back under its instance, and fences its former self`, async () => {
    const { ask, connect } = await openAsked();
    const before = await onlyMember({ ask }, { groupInstanceId: "i" });
    const answer = await ask(joinGroup, version, joinOf({ groupInstanceId: "i" }));
    deepStrictEqual([nameOf(answer.errorCode), answer.generationId], ["NONE", 1], "without a rebalance");
    notStrictEqual(answer.memberId, before.memberId);
    // Told to leave the assignment as it is, it is the leader; before version 9 it could not be told so, and is none.
    deepStrictEqual(
      [answer.skipAssignment, answer.leader === answer.memberId],
      version >= 9 ? [true, true] : [false, false],
    );
    const other = connect();
    const late = await other.ask(heartbeat, 4, { groupId: "g", ...before, groupInstanceId: "i" });
    strictEqual(nameOf(late.errorCode), "FENCED_INSTANCE_ID");
    strictEqual(
      await committed(other, 1, { ...before, groupInstanceId: "i", generationIdOrMemberEpoch: 1 }),
      "FENCED_INSTANCE_ID",
    );
    const { assignment } = await ask(syncGroup, 5, {
      ...{ groupId: "g", generationId: 1, memberId: answer.memberId, groupInstanceId: "i" },
      ...{ protocolType: "consumer", protocolName: "range", assignments: [] },
    });
    strictEqual(textOf(assignment), "all of it");
  });
}

for (const version of versionsOf(syncGroup)) {
  test(`SyncGroup ${version}: followers wait for the leader's assignment, each for its own`, async () => {
    const { ask, connect } = await openAsked();
    const follower = connect();
    const first = await joined({ ask }, 3);
    const second = joined(follower, 3);
    await drain();
    strictEqual(await beat({ ask }, first), "REBALANCE_IN_PROGRESS");
    const again = await ask(joinGroup, 3, joinOf({ memberId: first.memberId }));
    const { memberId: followerId, generationId, members } = await second;
    deepStrictEqual([again.generationId, generationId, members.length, again.members.length], [2, 2, 0, 2]);
    const common = {
      ...{ groupId: "g", generationId: 2 },
      ...(version >= 5 ? { protocolType: "consumer", protocolName: "range" } : {}),
    };
    let isSynced = false;
    const synced = follower.ask(syncGroup, version, { ...common, memberId: followerId, assignments: [] });
    void synced.then(() => {
      isSynced = true;
    });
    await drain();
    strictEqual(isSynced, false);
    const own = await ask(syncGroup, version, {
      ...{ ...common, memberId: first.memberId },
      assignments: [
        { memberId: first.memberId, assignment: bytesOf("the first's") },
        { memberId: followerId, assignment: bytesOf("the second's") },
      ],
    });
    deepStrictEqual([nameOf(own.errorCode), textOf(own.assignment)], ["NONE", "the first's"]);
    deepStrictEqual([nameOf((await synced).errorCode), textOf((await synced).assignment)], ["NONE", "the second's"]);
    strictEqual((await synced).protocolName, version >= 5 ? "range" : null);
  });

  test(`SyncGroup ${version} refuses strangers and generations that are over`, async () => {
    const { ask } = await openAsked();
    const { memberId, generationId } = await onlyMember({ ask });
    const refused = async (more: object): Promise<string> => {
      const answer = await ask(syncGroup, version, {
        ...{ groupId: "g", memberId, generationId, assignments: [] },
        ...(version >= 5 ? { protocolType: "consumer", protocolName: "range" } : {}),
        ...more,
      });
      strictEqual(answer.assignment.length, nameOf(answer.errorCode) === "NONE" ? "all of it".length : 0);
      return nameOf(answer.errorCode);
    };
    strictEqual(await refused({}), "NONE");
    strictEqual(await refused({ memberId: "stranger" }), "UNKNOWN_MEMBER_ID");
    strictEqual(await refused({ groupId: "other" }), "UNKNOWN_MEMBER_ID");
    strictEqual(await refused({ generationId: generationId - 1 }), "ILLEGAL_GENERATION");
    if (version < 5) return;
    strictEqual(await refused({ protocolType: null }), "INCONSISTENT_GROUP_PROTOCOL");
    strictEqual(await refused({ protocolName: null }), "INCONSISTENT_GROUP_PROTOCOL");
    strictEqual(await refused({ protocolName: "sticky" }), "INCONSISTENT_GROUP_PROTOCOL");
  });
}

for (const version of versionsOf(heartbeat)) {
  test(`Heartbeat ${version} keeps a member, and tells others what they are`, async () => {
    const { ask, clock } = await openAsked();
    const member = await onlyMember({ ask });
    for (let beats = 0; beats < 4; beats += 1) {
      await clock.advance(9000);
      strictEqual(await beat({ ask }, member, version), "NONE");
    }
    strictEqual(await beat({ ask }, { ...member, generationId: 0 }, version), "ILLEGAL_GENERATION");
    strictEqual(await beat({ ask }, { ...member, memberId: "stranger" }, version), "UNKNOWN_MEMBER_ID");
    await clock.advance(10_001);
    strictEqual(await beat({ ask }, member, version), "UNKNOWN_MEMBER_ID", "its session is over");
  });
}

for (const version of versionsOf(leaveGroup)) {
  test(`LeaveGroup ${version}: a member is gone at once`, async () => {
    const { ask } = await openAsked();
    const { memberId, generationId } = await onlyMember({ ask });
    const leave = async (who: string): Promise<string[]> => {
      const { errorCode, members } = await ask(
        leaveGroup,
        version,
        version >= 3 ? { groupId: "g", members: [{ memberId: who }] } : { groupId: "g", memberId: who },
      );
      return [nameOf(errorCode), ...members.map((one) => `${one.memberId === who} ${nameOf(one.errorCode)}`)];
    };
    const many = version >= 3;
    deepStrictEqual(await leave("stranger"), many ? ["NONE", "true UNKNOWN_MEMBER_ID"] : ["UNKNOWN_MEMBER_ID"]);
    deepStrictEqual(await leave(memberId), many ? ["NONE", "true NONE"] : ["NONE"]);
    strictEqual(await beat({ ask }, { memberId, generationId }), "UNKNOWN_MEMBER_ID");
  });

  if (version < 3) continue;
  test(`LeaveGroup ${version}: static members leave by their instance, and too many at once do not`, async () => {
    const { ask } = await openAsked();
    const { memberId } = await onlyMember({ ask }, { groupInstanceId: "i" });
    const leave = async (members: { memberId: string; groupInstanceId?: string }[]): Promise<string[]> => {
      const answer = await ask(leaveGroup, version, { groupId: "g", members });
      return [answer.errorCode, ...answer.members.map((one) => one.errorCode)].map(nameOf);
    };
    deepStrictEqual(await leave(Array.from({ length: maxNamed + 1 }, () => ({ memberId }))), ["INVALID_REQUEST"]);
    deepStrictEqual(
      await leave([
        { memberId: "somebody else", groupInstanceId: "i" },
        { memberId: "", groupInstanceId: "j" },
        { memberId: "", groupInstanceId: "i" },
      ]),
      ["NONE", "FENCED_INSTANCE_ID", "UNKNOWN_MEMBER_ID", "NONE"],
    );
  });
}

test("a connection that ends, ends its wait, and its member may come back with another", async () => {
  const { ask, connect, broker } = await openAsked();
  const leader = await onlyMember({ ask });
  const gone = connect();
  const { memberId } = await gone.ask(joinGroup, 5, joinOf());
  const waiting = gone.ask(joinGroup, 5, joinOf({ memberId }));
  await drain();
  gone.closed();
  void waiting;
  const back = connect();
  const joining = back.ask(joinGroup, 5, joinOf({ memberId }));
  await drain();
  const again = await ask(joinGroup, 5, joinOf({ memberId: leader.memberId }));
  strictEqual(nameOf(again.errorCode), "NONE");
  strictEqual((await joining).memberId, memberId);
  strictEqual(again.members.length, 2, "it is one member still");
  await broker.close();
});

test("a stop ends waits, and sends their clients to look for the coordinator", async () => {
  const { ask, connect, broker } = await openAsked();
  await onlyMember({ ask });
  const waiting = [connect(), connect()].map(async (connection) => {
    const { memberId } = await connection.ask(joinGroup, 5, joinOf());
    return { connection, answer: connection.ask(joinGroup, 5, joinOf({ memberId })) };
  });
  const [first, second] = await Promise.all(waiting);
  await drain();
  first!.connection.finish();
  strictEqual(nameOf((await first!.answer).errorCode), "COORDINATOR_NOT_AVAILABLE", "the listener's stop");
  await broker.close();
  strictEqual(nameOf((await second!.answer).errorCode), "COORDINATOR_NOT_AVAILABLE", "the broker's");
});

test("SyncGroup: a request that would hold much while it waits is refused at once", async () => {
  const { ask } = await openAsked();
  const { memberId } = await onlyMember({ ask });
  const sync = async (count: number): Promise<string> => {
    const assignments = Array.from({ length: count }, (_, at) => ({ memberId: `m${at}`, assignment: bytesOf("") }));
    const own = { groupId: "g", generationId: 1, memberId, protocolType: "consumer", protocolName: "range" };
    return nameOf((await ask(syncGroup, 5, { ...own, assignments })).errorCode);
  };
  strictEqual(await sync(maxNamed + 1), "INVALID_REQUEST");
  strictEqual(await sync(maxNamed), "NONE");
});

test("a member that leaves is let go at once, and its partitions are others'", async () => {
  const { ask } = await openAsked();
  const member = await onlyMember({ ask });
  strictEqual(await left({ ask }, member), "NONE");
  const next = await joined({ ask }, 9);
  ok(next.generationId > member.generationId);
  strictEqual(next.members.length, 1);
});
