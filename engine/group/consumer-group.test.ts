import assert from "node:assert/strict";
import { test } from "node:test";
import { ConsumerGroup } from "./consumer-group.ts";
import { codeOf, type TestEnvironment, testEnvironment } from "./group.test.support.ts";
import type { GroupOptions } from "./options.ts";
import { Replay } from "./replay.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResult,
  GroupRecord,
  TopicPartitions,
} from "./types.ts";

const topicIds = { t: "0".repeat(31).concat("1"), u: "0".repeat(31).concat("2"), v: "0".repeat(31).concat("3") };

/** A member as a client has it: it says what it owns whenever that changed. */
class Consumer {
  readonly scene: Scene;
  readonly memberId: string;
  readonly instanceId: string | null;
  epoch = 0;
  owned: readonly TopicPartitions[] = [];

  constructor(scene: Scene, memberId: string, instanceId: string | null = null) {
    this.scene = scene;
    this.memberId = memberId;
    this.instanceId = instanceId;
  }

  send(request: Partial<ConsumerGroupHeartbeatRequest> = {}): ConsumerGroupHeartbeatResult {
    const { memberId, instanceId, epoch: memberEpoch } = this;
    const { result, records } = this.scene.group.heartbeat({
      groupId: "g",
      memberId,
      memberEpoch,
      instanceId,
      ...request,
    });
    this.scene.records.push(...records);
    return result;
  }

  join(topics: readonly string[] = ["t"], request: Partial<ConsumerGroupHeartbeatRequest> = {}): this {
    this.epoch = 0;
    this.owned = [];
    const joining = { rebalanceTimeoutMs: 20_000, subscribedTopicNames: topics, topicPartitions: [] };
    return this.#take(this.send({ ...joining, ...request }));
  }

  /** A heartbeat that says what it has, and takes what it is given. */
  beat(request: Partial<ConsumerGroupHeartbeatRequest> = {}): this {
    return this.#take(this.send({ topicPartitions: this.owned, ...request }));
  }

  #take({ memberEpoch, assignment }: ConsumerGroupHeartbeatResult): this {
    this.epoch = memberEpoch;
    if (assignment !== null) this.owned = assignment;
    return this;
  }

  get has(): string {
    const names = new Map(Object.entries(topicIds).map(([name, id]) => [id, name]));
    return this.owned.map(({ topicId, partitions }) => `${names.get(topicId)}:${partitions.join()}`).join(" ");
  }
}

class Scene {
  readonly environment: TestEnvironment;
  readonly records: GroupRecord[];
  group: ConsumerGroup;

  constructor(options: Partial<GroupOptions> = {}) {
    this.environment = testEnvironment(options);
    this.records = this.environment.records;
    this.topic("t", 4);
    this.group = new ConsumerGroup("g", this.environment);
  }

  topic(name: keyof typeof topicIds, partitions: number): void {
    this.environment.topicMap.set(name, { name, id: topicIds[name], partitions });
    this.group?.topicsChanged();
  }

  /** As another broker finds it in the log. */
  restart(): void {
    const replay = new Replay();
    for (const record of this.records) replay.apply({ ...record, timestamp: 1 });
    this.group.dissolve();
    this.group = ConsumerGroup.restore("g", this.environment, replay.groups.get("g")!.consumer!, 1);
  }

  advance(ms: number): Promise<void> {
    return this.environment.clock.advance(ms);
  }
}

test("one member gets all; another gets its part only when the first has let go", () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a").join();
  assert.deepEqual([a.epoch, a.has, scene.group.state], [1, "t:0,1,2,3", "Stable"]);
  const b = new Consumer(scene, "b").join();
  assert.deepEqual([b.epoch, b.has, scene.group.state], [2, "", "Reconciling"]);
  // The next heartbeat tells what to give up; the epoch stays until it has.
  a.send();
  assert.equal(a.epoch, 1);
  const told = a.send();
  assert.equal(told.assignment, null, "it was told already");
  const telling = a.send({ topicPartitions: a.owned, rebalanceTimeoutMs: 20_000, subscribedTopicNames: ["t"] });
  assert.deepEqual([telling.memberEpoch, telling.assignment?.[0]?.partitions.length], [1, 2]);
  assert.equal(b.beat().has, "", "a has not let go");
  a.owned = telling.assignment!;
  a.beat();
  assert.equal(a.epoch, 2);
  b.beat();
  assert.deepEqual([a.owned[0]!.partitions.length, b.owned[0]!.partitions.length], [2, 2]);
  assert.deepEqual([...a.owned[0]!.partitions, ...b.owned[0]!.partitions].sort(), [0, 1, 2, 3]);
  assert.equal(scene.group.state, "Stable");
});

test("a heartbeat without news brings none, and writes nothing", () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a").join();
  const before = scene.records.length;
  const result = a.send();
  assert.deepEqual([result.memberEpoch, result.assignment, result.heartbeatIntervalMs], [1, null, 5000]);
  assert.equal(scene.records.length, before);
});

test("epochs: ahead is fenced, behind too, but not who has missed one answer", async () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a").join();
  assert.equal(await codeOf(() => a.send({ memberEpoch: 2 })), "FENCED_MEMBER_EPOCH");
  assert.equal(await codeOf(() => new Consumer(scene, "x").send({ memberEpoch: 1 })), "UNKNOWN_MEMBER_ID");
  // Revokes nothing, so that its epoch rises at once; the answer is lost.
  scene.topic("u", 1);
  a.send({ subscribedTopicNames: ["t", "u"], topicPartitions: a.owned });
  const again = a.send({ topicPartitions: a.owned });
  assert.deepEqual([again.memberEpoch, again.assignment?.length], [2, 2]);
  assert.equal(await codeOf(() => a.send()), "FENCED_MEMBER_EPOCH", "without saying what it has");
  const foreign = [{ topicId: topicIds.v, partitions: [0] }];
  assert.equal(
    await codeOf(() => a.send({ topicPartitions: foreign })),
    "FENCED_MEMBER_EPOCH",
    "it has what it may not",
  );
});

test("a member that begins anew has given up all, and its old epoch is not taken any more", async () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a").join();
  const oldEpoch = a.epoch;
  a.join();
  assert.ok(a.epoch > oldEpoch);
  assert.equal(a.has, "t:0,1,2,3");
  const sent = { memberEpoch: oldEpoch, topicPartitions: [] };
  assert.equal(await codeOf(() => a.send(sent)), "FENCED_MEMBER_EPOCH");
});

test("a member that leaves, or whose session ends, frees what it had", async () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a").join();
  const b = new Consumer(scene, "b").join();
  a.beat().beat();
  b.beat();
  assert.equal(b.owned[0]!.partitions.length, 2);
  assert.deepEqual(b.send({ memberEpoch: -1 }), {
    ...{ memberId: "b", memberEpoch: -1, heartbeatIntervalMs: 0, assignment: null },
  });
  assert.equal(await codeOf(() => b.send()), "UNKNOWN_MEMBER_ID");
  assert.equal(a.beat().has, "t:0,1,2,3");
  new Consumer(scene, "c").join();
  await scene.advance(44_000);
  a.send({ topicPartitions: a.owned });
  assert.equal(scene.group.memberCount, 2);
  await scene.advance(1000);
  assert.equal(scene.group.memberCount, 1, "c was silent");
  await scene.advance(45_000);
  assert.deepEqual([scene.group.memberCount, scene.group.state], [0, "Empty"]);
  assert.equal(scene.environment.memory.usedBytes, 0);
});

test("who does not give up in time is fenced", async () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a").join();
  const b = new Consumer(scene, "b").join();
  a.send();
  for (let at = 0; at < 3; at += 1) {
    await scene.advance(6000);
    // It lives, and does not let go.
    a.send();
    b.beat();
  }
  assert.equal(b.has, "");
  await scene.advance(2001);
  assert.equal(await codeOf(() => a.send()), "UNKNOWN_MEMBER_ID");
  assert.equal(b.beat().has, "t:0,1,2,3");
});

test("who is told to give up more has all of the time again", async () => {
  const scene = new Scene();
  scene.topic("t", 6);
  const partitions = (): number => a.owned.reduce((count, topic) => count + topic.partitions.length, 0);
  const a = new Consumer(scene, "a").join();
  new Consumer(scene, "b").join();
  a.beat();
  assert.equal(partitions(), 3);
  await scene.advance(15_000);
  new Consumer(scene, "c").join();
  // It has given up three, and hears now that it must give up a fourth.
  a.beat();
  assert.deepEqual([partitions(), a.epoch], [2, 1]);
  await scene.advance(15_000);
  assert.ok(scene.group.describe().members.some(({ memberId }) => memberId === "a"));
  await scene.advance(5001);
  assert.ok(!scene.group.describe().members.some(({ memberId }) => memberId === "a"));
});

test("static members: reserved while away, taken over, fenced, refused while held", async () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a", "i").join();
  const b = new Consumer(scene, "b").join();
  a.beat().beat();
  b.beat();
  const had = a.has;
  assert.equal(await codeOf(() => new Consumer(scene, "a2", "i").join()), "UNRELEASED_INSTANCE_ID");
  assert.equal(await codeOf(() => new Consumer(scene, "x", "i").send({ memberEpoch: 1 })), "FENCED_INSTANCE_ID");
  assert.equal(await codeOf(() => new Consumer(scene, "x", "i").send({ memberEpoch: -1 })), "FENCED_INSTANCE_ID");
  assert.equal(a.send({ memberEpoch: -2 }).memberEpoch, -2);
  assert.equal(await codeOf(() => a.send()), "FENCED_MEMBER_EPOCH");
  const epoch = b.epoch;
  assert.equal(b.beat().epoch, epoch, "no rebalance");
  assert.equal(b.owned[0]!.partitions.length, 2);
  const c = new Consumer(scene, "c", "i").join();
  assert.deepEqual([c.has, c.epoch], [had, epoch]);
  assert.equal(await codeOf(() => a.send()), "FENCED_INSTANCE_ID");
  assert.equal(scene.group.memberCount, 2);
  // Away for too long.
  c.send({ memberEpoch: -2 });
  for (let at = 0; at < 5; at += 1) {
    await scene.advance(10_000);
    b.beat();
  }
  assert.equal(b.has, "t:0,1,2,3");
  assert.equal(await codeOf(() => new Consumer(scene, "d").send({ memberEpoch: -2 })), "INVALID_REQUEST");
});

test("a static member that starts again without leaving is taken as its own", () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a", "i").join();
  assert.equal(a.join().has, "t:0,1,2,3");
  assert.equal(scene.group.memberCount, 1);
});

test("topics: more partitions, new ones, deleted ones and recreated ones move the assignment", () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a").join(["t", "u"]);
  assert.equal(a.has, "t:0,1,2,3");
  scene.topic("t", 5);
  assert.equal(a.beat().has, "t:0,1,2,3,4");
  scene.topic("u", 2);
  assert.equal(a.beat().has, "t:0,1,2,3,4 u:0,1");
  scene.environment.topicMap.delete("t");
  scene.group.topicsChanged();
  assert.equal(a.beat().has, "u:0,1");
  const before = a.beat().epoch;
  scene.group.topicsChanged();
  assert.equal(a.beat().epoch, before, "nothing changed");
});

test("an expression subscribes to what it matches, now and later, but not to the broker's own", async () => {
  const scene = new Scene();
  scene.environment.topicMap.set("uuu", { name: "uuu", id: "f".repeat(32), partitions: 1, internal: true });
  const joining = { subscribedTopicNames: null, subscribedTopicRegex: "t|u+" };
  const a = new Consumer(scene, "a").join([], joining);
  assert.equal(a.has, "t:0,1,2,3");
  scene.topic("u", 1);
  assert.equal(a.beat().has, "t:0,1,2,3 u:0");
  assert.equal(await codeOf(() => a.beat({ subscribedTopicRegex: "(" })), "INVALID_REGULAR_EXPRESSION");
  assert.equal(a.beat({ subscribedTopicRegex: "u" }).has, "u:0");
  assert.equal(a.beat({ subscribedTopicRegex: "", subscribedTopicNames: ["t"] }).beat().has, "t:0,1,2,3");
  assert.ok(scene.group.isSubscribedTo("t") && !scene.group.isSubscribedTo("u"));
});

test("most members choose the assignor; one that is not there is refused", async () => {
  const scene = new Scene();
  assert.equal(
    await codeOf(() => new Consumer(scene, "a").join(["t"], { serverAssignor: "sticky" })),
    "UNSUPPORTED_ASSIGNOR",
  );
  const a = new Consumer(scene, "a").join(["t"], { serverAssignor: "range" });
  const b = new Consumer(scene, "b").join(["t"], { serverAssignor: "range" });
  new Consumer(scene, "c").join(["t"]);
  assert.equal(scene.group.describe().assignorName, "range");
  a.send({ serverAssignor: "uniform" });
  b.send({ serverAssignor: "uniform" });
  assert.equal(scene.group.describe().assignorName, "uniform");
});

test("requests that make no sense are refused before anything changes", async () => {
  const scene = new Scene({ maxSize: 1 });
  const join = (request: Partial<ConsumerGroupHeartbeatRequest>): Promise<string> =>
    codeOf(() => new Consumer(scene, "a").join(["t"], request));
  for (const request of [
    { rebalanceTimeoutMs: -1 },
    { topicPartitions: [{ topicId: topicIds.t, partitions: [0] }] },
    { subscribedTopicNames: null },
    { instanceId: "" },
    { rackId: "" },
    { memberEpoch: -3 },
    { memberEpoch: 0.5 },
    { memberId: "", memberEpoch: 1 },
    { memberId: "x".repeat(513) },
    { subscribedTopicNames: Array.from({ length: 5000 }, (_, at) => `${at}`.padStart(240, "x")) },
  ]) {
    assert.equal(await join(request), "INVALID_REQUEST", JSON.stringify(request).slice(0, 80));
  }
  assert.equal(
    await join({ subscribedTopicNames: Array.from({ length: 3000 }, () => "x".repeat(330)) }),
    "COORDINATOR_NOT_AVAILABLE",
  );
  assert.equal(scene.group.memberCount, 0);
  assert.equal(scene.records.length, 0);
  assert.equal(scene.environment.memory.usedBytes, 0);
  new Consumer(scene, "a").join();
  assert.equal(await codeOf(() => new Consumer(scene, "b").join()), "GROUP_MAX_SIZE_REACHED");
});

test("topics for which there is no memory are left out, and nothing else is", () => {
  const scene = new Scene();
  scene.topic("u", 9000);
  const a = new Consumer(scene, "a").join(["t", "u"]);
  assert.equal(a.has, "t:0,1,2,3");
  assert.ok(scene.environment.memory.usedBytes < 1000);
});

test("in version 0 the broker makes the member id", () => {
  const scene = new Scene();
  const joining = { rebalanceTimeoutMs: 1, subscribedTopicNames: ["t"], topicPartitions: [] };
  const { result } = scene.group.heartbeat({ groupId: "g", memberId: "", memberEpoch: 0, ...joining });
  assert.equal(result.memberId, "id1");
});

test("commits are taken in the current epoch only, or from outside of an empty group", async () => {
  const scene = new Scene();
  assert.equal(await codeOf(() => scene.group.checkCommit(-1, "")), "none");
  const a = new Consumer(scene, "a").join();
  assert.equal(await codeOf(() => scene.group.checkCommit(1, "a")), "none");
  assert.equal(await codeOf(() => scene.group.checkCommit(0, "a")), "STALE_MEMBER_EPOCH");
  assert.equal(await codeOf(() => scene.group.checkCommit(-1, "")), "UNKNOWN_MEMBER_ID");
  a.send({ memberEpoch: -1 });
  assert.equal(await codeOf(() => scene.group.checkCommit(1, "a")), "UNKNOWN_MEMBER_ID");
});

test("a restart finds members, epochs, targets and who is giving up what", async () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a", "i").join(["t"], { subscribedTopicRegex: "t.*", serverAssignor: "range" });
  const b = new Consumer(scene, "b").join();
  a.send();
  const before = scene.group.describe();
  scene.restart();
  assert.deepEqual(scene.group.describe(), before);
  assert.equal(scene.group.state, "Reconciling");
  assert.equal(b.beat().has, "", "a has not let go, also not by the restart");
  assert.equal(a.beat().epoch, 1);
  const told = a.send({ topicPartitions: a.owned, rebalanceTimeoutMs: 20_000, subscribedTopicNames: ["t"] });
  a.owned = told.assignment!;
  assert.equal(a.beat().epoch, b.epoch);
  assert.equal(b.beat().owned[0]!.partitions.length, 2);
  // While nobody ran, partitions were added.
  scene.environment.topicMap.set("t", { name: "t", id: topicIds.t, partitions: 6 });
  scene.restart();
  a.beat();
  b.beat();
  assert.deepEqual([a.beat().owned[0]!.partitions.length, b.beat().owned[0]!.partitions.length], [3, 3]);
  scene.restart();
  await scene.advance(45_000);
  assert.equal(scene.group.memberCount, 0, "sessions begin anew, and end");
});

test("the revocation timeout goes on after a restart", async () => {
  const scene = new Scene();
  const a = new Consumer(scene, "a").join();
  const b = new Consumer(scene, "b").join();
  a.send();
  scene.restart();
  await scene.advance(19_000);
  a.send();
  b.beat();
  await scene.advance(1001);
  assert.equal(await codeOf(() => a.send()), "UNKNOWN_MEMBER_ID");
});
