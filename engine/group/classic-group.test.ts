import assert from "node:assert/strict";
import { test } from "node:test";
import type { MoldauError } from "../errors.ts";
import { ClassicGroup } from "./classic-group.ts";
import { decodeClassicGroup } from "./classic-value.ts";
import { MemberIdRequiredError } from "./environment.ts";
import { bytesOf, codeOf, subscription, type TestEnvironment, testEnvironment } from "./group.test.support.ts";
import type { GroupOptions } from "./options.ts";
import type { JoinGroupRequest, JoinGroupResult, SyncGroupResult } from "./types.ts";

interface Waiting<Result> {
  outcome: Result | MoldauError | null;
}

class Scene {
  readonly environment: TestEnvironment;
  group: ClassicGroup;

  constructor(options: Partial<GroupOptions> = {}) {
    this.environment = testEnvironment(options);
    this.group = new ClassicGroup("g", this.environment);
  }

  join(request: Partial<JoinGroupRequest> = {}): Waiting<JoinGroupResult> {
    const waiting: Waiting<JoinGroupResult> = { outcome: null };
    this.group.join(
      {
        ...{
          groupId: "g",
          sessionTimeoutMs: 10_000,
          rebalanceTimeoutMs: 30_000,
          memberId: "",
          protocolType: "consumer",
        },
        protocols: [{ name: "range", metadata: subscription(["t"]) }],
        ...request,
      },
      (outcome) => {
        assert.equal(waiting.outcome, null, "a reply is called once");
        waiting.outcome = outcome;
      },
    );
    return waiting;
  }

  sync(member: JoinGroupResult, assignments: Record<string, string> = {}): Waiting<SyncGroupResult> {
    const waiting: Waiting<SyncGroupResult> = { outcome: null };
    this.group.sync(
      {
        groupId: "g",
        generationId: member.generationId,
        memberId: member.memberId,
        assignments: Object.entries(assignments).map(([memberId, text]) => ({ memberId, assignment: bytesOf(text) })),
      },
      (outcome) => {
        assert.equal(waiting.outcome, null, "a reply is called once");
        waiting.outcome = outcome;
      },
    );
    return waiting;
  }

  heartbeat({ memberId, generationId }: JoinGroupResult): void {
    this.group.heartbeat({ groupId: "g", memberId, generationId });
  }

  advance(ms: number): Promise<void> {
    return this.environment.clock.advance(ms);
  }

  /** A group of so many members, stable, the leader first. */
  stable(count: number, request: (at: number) => Partial<JoinGroupRequest> = () => ({})): JoinGroupResult[] {
    let members = [joined(this.join(request(0)))];
    for (let at = 1; at < count; at += 1) {
      const newcomer = this.join(request(at));
      const again = members.map(({ memberId }, which) => this.join({ ...request(which), memberId }));
      members = [...again.map(joined), joined(newcomer)];
    }
    const leader = members.find(({ leader: id, memberId }) => id === memberId)!;
    const others = members.filter((member) => member !== leader);
    const syncs = others.map((member) => this.sync(member));
    syncs.push(this.sync(leader, Object.fromEntries(members.map(({ memberId }) => [memberId, `for ${memberId}`]))));
    for (const sync of syncs) synced(sync);
    assert.equal(this.group.state, "Stable");
    return [leader, ...others];
  }
}

function joined(waiting: Waiting<JoinGroupResult>): JoinGroupResult {
  assert.ok(waiting.outcome !== null && !(waiting.outcome instanceof Error), String(waiting.outcome));
  return waiting.outcome;
}

function synced(waiting: Waiting<SyncGroupResult>): string {
  assert.ok(waiting.outcome !== null && !(waiting.outcome instanceof Error), String(waiting.outcome));
  return new TextDecoder().decode(waiting.outcome.assignment);
}

function refusedWith(waiting: Waiting<unknown>): string {
  assert.ok(waiting.outcome instanceof Error, `${waiting.outcome}`);
  return (waiting.outcome as MoldauError).code;
}

test("the first member leads; its assignment reaches everybody, and is stored first", () => {
  const scene = new Scene();
  const first = joined(scene.join({ clientId: "me" }));
  assert.match(first.memberId, /^me-/);
  assert.deepEqual([first.generationId, first.leader, first.protocolName], [1, first.memberId, "range"]);
  assert.equal(first.members.length, 1);
  assert.equal(scene.group.state, "CompletingRebalance");
  const second = scene.join();
  assert.equal(scene.group.state, "PreparingRebalance");
  assert.equal(second.outcome, null);
  const again = joined(scene.join({ memberId: first.memberId }));
  const follower = joined(second);
  assert.deepEqual([again.generationId, follower.generationId], [2, 2]);
  assert.deepEqual([again.members.length, follower.members.length, follower.leader], [2, 0, first.memberId]);
  const waiting = scene.sync(follower);
  assert.equal(waiting.outcome, null);
  const leading = scene.sync(again, { [again.memberId]: "mine", [follower.memberId]: "yours" });
  assert.deepEqual([synced(leading), synced(waiting)], ["mine", "yours"]);
  const stored = decodeClassicGroup(scene.environment.records.at(-1)!.value!);
  assert.equal(stored.generationId, 2);
  assert.deepEqual(
    stored.members.map(({ assignment }) => new TextDecoder().decode(assignment)),
    ["mine", "yours"],
  );
});

test("nobody hears of an assignment before it is durable; when it cannot be, the group rebalances", async () => {
  const scene = new Scene();
  const dones: ((failure: MoldauError | null) => void)[] = [];
  (scene.environment as { persist: unknown }).persist = (_: unknown, done: (failure: MoldauError | null) => void) =>
    void dones.push(done);
  scene.group = new ClassicGroup("g", scene.environment);
  const member = joined(scene.join());
  const sync = scene.sync(member, { [member.memberId]: "x" });
  assert.deepEqual([sync.outcome, scene.group.state], [null, "CompletingRebalance"]);
  dones.pop()!(null);
  assert.equal(synced(sync), "x");
  const next = joined(scene.join({ memberId: member.memberId }));
  const failing = scene.sync(next, { [member.memberId]: "y" });
  const { MoldauError: Failure } = await import("../errors.ts");
  dones.pop()!(new Failure("COORDINATOR_NOT_AVAILABLE", "full"));
  assert.equal(refusedWith(failing), "COORDINATOR_NOT_AVAILABLE");
  assert.equal(scene.group.state, "PreparingRebalance");
});

test("a member that is not in step is refused: wrong generation, wrong member, wrong protocol", async () => {
  const scene = new Scene();
  const [leader] = scene.stable(2) as [JoinGroupResult];
  const heartbeat = (memberId: string, generationId: number): Promise<string> =>
    codeOf(() => scene.group.heartbeat({ groupId: "g", memberId, generationId }));
  assert.equal(await heartbeat(leader.memberId, leader.generationId), "none");
  assert.equal(await heartbeat(leader.memberId, leader.generationId - 1), "ILLEGAL_GENERATION");
  assert.equal(await heartbeat("nobody", leader.generationId), "UNKNOWN_MEMBER_ID");
  assert.equal(await codeOf(() => scene.join({ memberId: "nobody" })), "UNKNOWN_MEMBER_ID");
  assert.equal(await codeOf(() => scene.join({ protocolType: "connect" })), "INCONSISTENT_GROUP_PROTOCOL");
  assert.equal(
    await codeOf(() => scene.join({ protocols: [{ name: "other", metadata: bytesOf("") }] })),
    "INCONSISTENT_GROUP_PROTOCOL",
  );
  assert.equal(await codeOf(() => scene.join({ protocols: [] })), "INCONSISTENT_GROUP_PROTOCOL");
  const request = { groupId: "g", memberId: leader.memberId, generationId: leader.generationId, assignments: [] };
  assert.equal(
    await codeOf(() => scene.group.sync({ ...request, protocolName: "sticky" }, () => {})),
    "INCONSISTENT_GROUP_PROTOCOL",
  );
  assert.equal(await codeOf(() => scene.group.sync({ ...request, generationId: 1 }, () => {})), "ILLEGAL_GENERATION");
});

test("session timeouts are kept within bounds, and too many members are refused", async () => {
  const scene = new Scene({ maxSize: 2 });
  assert.equal(await codeOf(() => scene.join({ sessionTimeoutMs: 5999 })), "INVALID_SESSION_TIMEOUT");
  assert.equal(await codeOf(() => scene.join({ sessionTimeoutMs: 1_800_001 })), "INVALID_SESSION_TIMEOUT");
  assert.equal(await codeOf(() => scene.join({ sessionTimeoutMs: Number.NaN })), "INVALID_SESSION_TIMEOUT");
  const [leader] = scene.stable(2) as [JoinGroupResult];
  assert.equal(await codeOf(() => scene.join()), "GROUP_MAX_SIZE_REACHED");
  assert.equal(await codeOf(() => scene.join({ memberId: leader.memberId })), "none");
  const pending = new Scene({ maxSize: 2 });
  for (let at = 0; at < 2; at += 1) await codeOf(() => pending.join({ requireKnownMemberId: true }));
  assert.equal(await codeOf(() => pending.join({ requireKnownMemberId: true })), "GROUP_MAX_SIZE_REACHED");
});

test("a newcomer is given its id first where the client knows how (KIP-394)", async () => {
  const scene = new Scene();
  let memberId = "";
  assert.throws(
    () => scene.join({ requireKnownMemberId: true, clientId: "c" }),
    (error) => {
      assert.ok(error instanceof MemberIdRequiredError);
      memberId = error.memberId;
      return true;
    },
  );
  assert.equal(scene.group.memberCount, 0);
  assert.equal(joined(scene.join({ memberId, requireKnownMemberId: true })).memberId, memberId);
  assert.equal(await codeOf(() => scene.join({ requireKnownMemberId: true })), "MEMBER_ID_REQUIRED");
  // A rebalance waits for who was given an id, until that is too old.
  const first = scene.join({ memberId });
  assert.equal(joined(first).generationId, 1);
  const second = scene.join();
  const again = scene.join({ memberId });
  assert.equal(again.outcome, null);
  await scene.advance(10_001);
  assert.deepEqual([joined(again).generationId, joined(second).generationId], [2, 2]);
});

test("a member that is silent for its session is let go, and the others rebalance", async () => {
  const scene = new Scene();
  const [leader, follower] = scene.stable(2) as [JoinGroupResult, JoinGroupResult];
  for (let at = 0; at < 3; at += 1) {
    await scene.advance(6000);
    scene.heartbeat(leader);
    if (at < 2) scene.heartbeat(follower);
  }
  await scene.advance(3999);
  assert.equal(scene.group.memberCount, 2);
  await scene.advance(1);
  assert.equal(scene.group.memberCount, 1);
  assert.equal(scene.group.state, "PreparingRebalance");
  assert.equal(await codeOf(() => scene.heartbeat(leader)), "REBALANCE_IN_PROGRESS");
  assert.equal(joined(scene.join({ memberId: leader.memberId })).members.length, 1);
});

test("the session is not a moment shorter than asked for", async () => {
  const scene = new Scene();
  const [leader] = scene.stable(1) as [JoinGroupResult];
  await scene.advance(9999);
  assert.equal(scene.group.memberCount, 1);
  scene.heartbeat(leader);
  await scene.advance(9999);
  assert.equal(scene.group.memberCount, 1);
  await scene.advance(1);
  assert.deepEqual([scene.group.memberCount, scene.group.state], [0, "Empty"]);
});

test("who waits in a join is not let go for its silence, but a newcomer is after five minutes", async () => {
  const scene = new Scene();
  const [leader] = scene.stable(1, () => ({ rebalanceTimeoutMs: 600_000 })) as [JoinGroupResult];
  const waiting = scene.join({ rebalanceTimeoutMs: 600_000 });
  for (let at = 0; at < 49; at += 1) {
    await scene.advance(6000);
    assert.equal(await codeOf(() => scene.heartbeat(leader)), "REBALANCE_IN_PROGRESS");
  }
  assert.equal(waiting.outcome, null);
  await scene.advance(6001);
  assert.equal(refusedWith(waiting), "UNKNOWN_MEMBER_ID");
});

test("the rebalance goes on without who does not come back in time", async () => {
  const scene = new Scene();
  const [leader, follower] = scene.stable(2) as [JoinGroupResult, JoinGroupResult];
  const again = scene.join({
    memberId: follower.memberId,
    protocols: [{ name: "range", metadata: subscription(["u"]) }],
  });
  for (let at = 0; at < 5; at += 1) {
    await scene.advance(5900);
    assert.equal(await codeOf(() => scene.heartbeat(leader)), "REBALANCE_IN_PROGRESS");
  }
  assert.equal(again.outcome, null);
  await scene.advance(600);
  // The leader is gone, so the other leads.
  assert.deepEqual([joined(again).leader, joined(again).members.length], [follower.memberId, 1]);
  assert.equal(await codeOf(() => scene.heartbeat(leader)), "UNKNOWN_MEMBER_ID");
});

test("who joins and then does not sync is let go after the rebalance timeout", async () => {
  const scene = new Scene();
  const first = joined(scene.join());
  const second = scene.join();
  const leader = joined(scene.join({ memberId: first.memberId }));
  joined(second);
  synced(scene.sync(leader, { [leader.memberId]: "x" }));
  for (let at = 0; at < 5; at += 1) {
    await scene.advance(5999);
    scene.heartbeat(leader);
    scene.heartbeat(joined(second));
  }
  assert.equal(scene.group.memberCount, 2);
  await scene.advance(6);
  assert.deepEqual([scene.group.memberCount, scene.group.state], [1, "PreparingRebalance"]);
});

test("the initial delay gathers newcomers, each prolongs it, up to the rebalance timeout", async () => {
  const scene = new Scene({ initialRebalanceDelayMs: 3000 });
  const first = scene.join({ rebalanceTimeoutMs: 7000 });
  await scene.advance(2000);
  const second = scene.join({ rebalanceTimeoutMs: 7000 });
  await scene.advance(1000);
  assert.deepEqual([first.outcome, second.outcome], [null, null]);
  await scene.advance(2000);
  const third = scene.join({ rebalanceTimeoutMs: 7000 });
  await scene.advance(1000);
  assert.equal(first.outcome, null);
  await scene.advance(999);
  assert.equal(first.outcome, null);
  await scene.advance(1);
  assert.deepEqual(
    [first, second, third].map((waiting) => joined(waiting).generationId),
    [1, 1, 1],
  );
});

test("without newcomers the initial delay is what it is", async () => {
  const scene = new Scene({ initialRebalanceDelayMs: 3000 });
  const first = scene.join();
  await scene.advance(2999);
  assert.equal(first.outcome, null);
  await scene.advance(1);
  assert.equal(joined(first).generationId, 1);
});

test("the protocol is the one that most prefer, of those that all offer", () => {
  const scene = new Scene();
  const offers = (...names: string[]): Partial<JoinGroupRequest> => ({
    protocols: names.map((name) => ({ name, metadata: bytesOf(name) })),
  });
  const requests = [offers("x", "a", "b"), offers("b", "a"), offers("b", "a", "y")];
  const [leader] = scene.stable(3, (at) => requests[at]!) as [JoinGroupResult];
  assert.equal(leader.protocolName, "b");
  assert.deepEqual(
    leader.members.map(({ metadata }) => new TextDecoder().decode(metadata)),
    ["b", "b", "b"],
  );
});

test("a follower that asks again in vain gets the same generation; a leader makes a new one", () => {
  const scene = new Scene();
  const [leader, follower] = scene.stable(2) as [JoinGroupResult, JoinGroupResult];
  const again = joined(scene.join({ memberId: follower.memberId }));
  assert.deepEqual([again.generationId, again.members.length, scene.group.state], [leader.generationId, 0, "Stable"]);
  assert.equal(synced(scene.sync(again)), `for ${follower.memberId}`);
  scene.join({ memberId: leader.memberId });
  assert.equal(scene.group.state, "PreparingRebalance");
});

test("a join in the middle of a rebalance sends those who sync back to join", () => {
  const scene = new Scene();
  const first = joined(scene.join());
  const second = scene.join();
  const leader = joined(scene.join({ memberId: first.memberId }));
  const waiting = scene.sync(joined(second));
  scene.join();
  assert.equal(refusedWith(waiting), "REBALANCE_IN_PROGRESS");
  assert.equal(leader.generationId, 2);
});

test("leaving: members, who is expected, static ones by their instance, and who is not there", async () => {
  const scene = new Scene();
  const [leader, follower, statics] = scene.stable(3, (at) => (at === 2 ? { groupInstanceId: "i" } : {})) as [
    JoinGroupResult,
    JoinGroupResult,
    JoinGroupResult,
  ];
  const leave = (memberId: string, groupInstanceId: string | null = null): Promise<string> =>
    codeOf(() => scene.group.leave({ memberId, groupInstanceId }));
  assert.equal(await leave("nobody"), "UNKNOWN_MEMBER_ID");
  assert.equal(await leave("wrong", "i"), "FENCED_INSTANCE_ID");
  assert.equal(await leave("", "j"), "UNKNOWN_MEMBER_ID");
  assert.equal(await leave(follower.memberId), "none");
  assert.equal(scene.group.state, "PreparingRebalance");
  assert.equal(await leave("", "i"), "none");
  assert.equal(await codeOf(() => scene.heartbeat(statics)), "UNKNOWN_MEMBER_ID");
  const again = scene.join({ memberId: leader.memberId });
  assert.equal(joined(again).members.length, 1);
  let pending = "";
  await codeOf(async () => {
    try {
      scene.join({ requireKnownMemberId: true });
    } catch (error) {
      pending = (error as MemberIdRequiredError).memberId;
    }
  });
  assert.equal(await leave(pending), "none");
  assert.equal(await codeOf(() => scene.join({ memberId: pending })), "UNKNOWN_MEMBER_ID");
  assert.equal(await leave(leader.memberId), "none");
  assert.deepEqual([scene.group.state, scene.group.generationId], ["Empty", joined(again).generationId + 1]);
  assert.equal(decodeClassicGroup(scene.environment.records.at(-1)!.value!).members.length, 0);
  assert.equal(scene.environment.memory.usedBytes, 0);
});

test("a static member that starts again takes its place without a rebalance (KIP-345)", async () => {
  for (const skips of [true, false]) {
    const scene = new Scene();
    const [leader, follower] = scene.stable(2, (at) => ({ groupInstanceId: `i${at}` })) as [
      JoinGroupResult,
      JoinGroupResult,
    ];
    // It owned something before, and does not say so any more.
    const protocols = [{ name: "range", metadata: subscription(["t"], "other") }];
    const again = joined(scene.join({ groupInstanceId: "i1", protocols }));
    assert.notEqual(again.memberId, follower.memberId);
    assert.deepEqual([scene.group.state, again.generationId], ["Stable", leader.generationId]);
    assert.equal(synced(scene.sync(again)), `for ${follower.memberId}`);
    const old = { groupId: "g", memberId: follower.memberId, generationId: follower.generationId };
    assert.equal(await codeOf(() => scene.group.heartbeat({ ...old, groupInstanceId: "i1" })), "FENCED_INSTANCE_ID");
    assert.equal(await codeOf(() => scene.group.heartbeat(old)), "UNKNOWN_MEMBER_ID");
    assert.equal(
      await codeOf(() => scene.join({ memberId: follower.memberId, groupInstanceId: "i1" })),
      "FENCED_INSTANCE_ID",
    );
    assert.equal(await codeOf(() => scene.join({ memberId: "x", groupInstanceId: "new" })), "UNKNOWN_MEMBER_ID");
    const stored = decodeClassicGroup(scene.environment.records.at(-1)!.value!);
    assert.ok(stored.members.some(({ memberId }) => memberId === again.memberId));
    // A leader must not assign anew: either it can be told so, or it is told that another leads.
    const newLeader = joined(scene.join({ groupInstanceId: "i0", supportsSkippingAssignment: skips }));
    assert.equal(scene.group.state, "Stable");
    assert.equal(newLeader.skipAssignment, skips);
    assert.equal(newLeader.members.length, skips ? 2 : 0);
    assert.equal(newLeader.leader, skips ? newLeader.memberId : leader.memberId);
  }
});

test("a static member that comes back with another subscription makes a rebalance", () => {
  const scene = new Scene();
  scene.stable(2, (at) => ({ groupInstanceId: `i${at}` }));
  const again = scene.join({
    groupInstanceId: "i1",
    protocols: [{ name: "range", metadata: subscription(["t", "u"]) }],
  });
  assert.deepEqual([scene.group.state, again.outcome], ["PreparingRebalance", null]);
});

test("a static member that is replaced while it waits hears that it is fenced", () => {
  const scene = new Scene();
  scene.stable(2, (at) => ({ groupInstanceId: `i${at}` }));
  const waiting = scene.join({ groupInstanceId: "i2" });
  const again = scene.join({ groupInstanceId: "i2" });
  assert.equal(refusedWith(waiting), "FENCED_INSTANCE_ID");
  assert.equal(again.outcome, null);
  assert.equal(scene.group.memberCount, 3);
});

test("a static member keeps its place through a rebalance that it misses, until its session ends", async () => {
  const scene = new Scene();
  const [leader] = scene.stable(2, (at) => ({
    ...{ groupInstanceId: `i${at}`, sessionTimeoutMs: at === 0 ? 10_000 : 100_000 },
  })) as [JoinGroupResult];
  const again = scene.join({ memberId: leader.memberId, groupInstanceId: "i0" });
  await scene.advance(30_000);
  assert.equal(joined(again).members.length, 2);
  assert.equal(joined(again).leader, leader.memberId);
});

test("commits: only from the group's own generation, or from outside when it is empty", async () => {
  const scene = new Scene();
  const commit = (generation: number, memberId: string, instanceId: string | null = null): Promise<string> =>
    codeOf(() => scene.group.checkCommit(generation, memberId, instanceId));
  assert.equal(await commit(-1, ""), "none");
  assert.equal(await commit(0, ""), "UNKNOWN_MEMBER_ID");
  const [leader] = scene.stable(1, () => ({ groupInstanceId: "i" })) as [JoinGroupResult];
  const { generationId, memberId } = leader;
  assert.equal(await commit(generationId, memberId), "none");
  assert.equal(await commit(generationId - 1, memberId), "ILLEGAL_GENERATION");
  assert.equal(await commit(-1, memberId), "ILLEGAL_GENERATION");
  assert.equal(await commit(-1, ""), "UNKNOWN_MEMBER_ID");
  assert.equal(await commit(generationId, "x", "i"), "FENCED_INSTANCE_ID");
  scene.join();
  assert.equal(await commit(generationId, memberId), "none", "before it joins again it may still commit");
  const again = joined(scene.join({ memberId, groupInstanceId: "i" }));
  assert.equal(await commit(again.generationId, memberId), "REBALANCE_IN_PROGRESS");
});

test("what was stored comes back: members, generation, leader, and sessions that begin anew", async () => {
  const scene = new Scene();
  const [leader, follower] = scene.stable(2, (at) => (at === 1 ? { groupInstanceId: "i" } : {})) as [
    JoinGroupResult,
    JoinGroupResult,
  ];
  const stored = decodeClassicGroup(scene.environment.records.at(-1)!.value!);
  scene.group = ClassicGroup.restore("g", scene.environment, stored);
  assert.equal(scene.group.state, "Stable");
  scene.heartbeat(leader);
  assert.equal(synced(scene.sync(follower)), `for ${follower.memberId}`);
  assert.deepEqual([...scene.group.subscribedTopics()!], ["t"]);
  await scene.advance(9999);
  scene.heartbeat(leader);
  await scene.advance(2);
  assert.equal(scene.group.memberCount, 1);
  assert.equal(await codeOf(() => scene.join({ groupInstanceId: "i" })), "none");
  assert.equal(joined(scene.join({ memberId: leader.memberId })).generationId, leader.generationId + 1);
});

test("subscriptions and assignments of a group are bounded, and given back", async () => {
  const scene = new Scene();
  const big = (size: number): Partial<JoinGroupRequest> => ({
    protocols: [{ name: "p", metadata: new Uint8Array(size) }],
  });
  assert.equal(await codeOf(() => scene.join(big(9 * 1024 * 1024))), "MESSAGE_TOO_LARGE");
  assert.equal(await codeOf(() => scene.join(big(1_000_001))), "COORDINATOR_NOT_AVAILABLE");
  const many = Array.from({ length: 65 }, (_, at) => ({ name: `p${at}`, metadata: new Uint8Array(0) }));
  assert.equal(await codeOf(() => scene.join({ protocols: many })), "INVALID_REQUEST");
  assert.equal(await codeOf(() => scene.join({ clientId: "x".repeat(513) })), "INVALID_REQUEST");
  assert.equal(scene.environment.memory.usedBytes, 0);
  const member = joined(scene.join(big(600_000)));
  const assignments = [{ memberId: member.memberId, assignment: new Uint8Array(600_000) }];
  const { memberId, generationId } = member;
  assert.equal(
    await codeOf(() => scene.group.sync({ groupId: "g", memberId, generationId, assignments }, () => {})),
    "COORDINATOR_NOT_AVAILABLE",
  );
  synced(scene.sync(member, { [memberId]: "x".repeat(1000) }));
  assert.equal(scene.environment.memory.usedBytes, 600_001 + 1000);
  const { MoldauError: Failure } = await import("../errors.ts");
  const waiting = scene.join(big(10));
  scene.group.dissolve(new Failure("NOT_COORDINATOR", "gone"));
  assert.equal(refusedWith(waiting), "NOT_COORDINATOR");
  assert.equal(scene.environment.memory.usedBytes, 0);
  await scene.advance(1_000_000);
});

test("a group describes itself: what members offer and have only when it is stable", () => {
  const scene = new Scene();
  const [leader] = scene.stable(1, () => ({ clientId: "c", clientHost: "/h", groupInstanceId: "i" })) as [
    JoinGroupResult,
  ];
  const { members, ...group } = scene.group.describe();
  assert.deepEqual(group, {
    ...{ groupId: "g", groupState: "Stable", protocolType: "consumer", protocolData: "range", generationId: 1 },
  });
  assert.deepEqual(members, [
    {
      ...{ memberId: leader.memberId, groupInstanceId: "i", clientId: "c", clientHost: "/h" },
      ...{ memberMetadata: subscription(["t"]), memberAssignment: bytesOf(`for ${leader.memberId}`) },
    },
  ]);
  scene.join();
  assert.deepEqual(
    [
      scene.group.describe().groupState,
      scene.group.describe().protocolData,
      scene.group.describe().members[0]!.memberAssignment.length,
    ],
    ["PreparingRebalance", "", 0],
  );
});
