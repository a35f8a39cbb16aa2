import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { problemOf, type TestApp, testApp } from "./app.test.support.ts";

const base = "/v1/groups/billing";

interface Membership {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  readonly assignment: { readonly topic: string; readonly partitions: number[] }[] | null;
}

async function start(t: TestContext): Promise<TestApp> {
  const started = await testApp(t);
  await started.broker.createTopic("events", { partitions: 4 });
  return started;
}

async function read<T>(response: Response, status = 200): Promise<T> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  return JSON.parse(text) as T;
}

async function refused(response: Response, status: number, code: string): Promise<string> {
  const problem = await problemOf(response);
  assert.deepEqual([response.status, problem.code], [status, code], problem.detail);
  return problem.detail;
}

test("a member joins, heartbeats, shares with a second one, and leaves", async (t) => {
  const { send } = await start(t);
  const first = await read<Membership>(await send("POST", `${base}/members`, { topics: ["events"] }));
  assert.deepEqual(first.assignment, [{ topic: "events", partitions: [0, 1, 2, 3] }]);
  assert.ok(first.memberEpoch > 0 && first.heartbeatIntervalMs > 0);
  const second = await read<Membership>(
    await send("POST", `${base}/members`, { topics: ["events"], memberId: "second", rebalanceTimeoutMs: 1000 }),
  );
  assert.equal(second.memberId, "second");
  assert.deepEqual(second.assignment, [], "all of it is the first one's until that lets go");

  const beat = async (one: Membership, assignment: Membership["assignment"]): Promise<Membership> =>
    read(await send("POST", `${base}/members/${one.memberId}`, { memberEpoch: one.memberEpoch, assignment }));
  const told = await beat(first, first.assignment);
  const kept = told.assignment!;
  assert.equal(kept[0]?.partitions.length, 2, "half of it is to go");
  const moved = await beat(told, kept);
  assert.ok(moved.memberEpoch > first.memberEpoch);
  const got = await beat(second, []);
  const all = [...kept, ...got.assignment!].flatMap(({ partitions }) => partitions).sort();
  assert.deepEqual(all, [0, 1, 2, 3]);

  const described = await read<{ state: string; type: string; members: { memberId: string }[] }>(
    await send("GET", base),
  );
  assert.deepEqual([described.type, described.state, described.members.length], ["consumer", "Stable", 2]);
  assert.equal((await send("DELETE", `${base}/members/second`)).status, 204);
  await refused(await send("DELETE", `${base}/members/second`), 404, "UNKNOWN_MEMBER_ID");
  const alone = await beat(moved, kept);
  assert.deepEqual(alone.assignment, [{ topic: "events", partitions: [0, 1, 2, 3] }]);
});

test("a member that keeps itself and was fenced joins again with its id, and has its share again", async (t) => {
  const { send, broker } = await start(t);
  const join = () => send("POST", `${base}/members`, { topics: ["events"], memberId: "m" });
  const before = await read<Membership>(await join());
  await send("POST", `${base}/offsets`, {
    ...{ memberId: "m", memberEpoch: before.memberEpoch },
    offsets: [{ topic: "events", partition: 0, offset: 0 }],
  });
  await broker.groups.consumerGroupHeartbeat({ groupId: "billing", memberId: "m", memberEpoch: -1 });
  const beat = (memberEpoch: number) => send("POST", `${base}/members/m`, { memberEpoch, assignment: [] });
  const commit = (memberEpoch: number) =>
    send("POST", `${base}/offsets`, {
      memberId: "m",
      memberEpoch,
      offsets: [{ topic: "events", partition: 1, offset: 0 }],
    });
  await refused(await beat(before.memberEpoch), 404, "UNKNOWN_MEMBER_ID");
  await refused(await commit(before.memberEpoch), 404, "UNKNOWN_MEMBER_ID");
  const after = await read<Membership>(await join());
  assert.ok(after.memberEpoch > before.memberEpoch);
  assert.deepEqual(after.assignment, before.assignment);
  await refused(await beat(before.memberEpoch), 409, "FENCED_MEMBER_EPOCH");
  await refused(await commit(before.memberEpoch), 409, "STALE_MEMBER_EPOCH");
  await read(await commit(after.memberEpoch));
  const { offsets } = await read<{ offsets: { partition: number }[] }>(await send("GET", `${base}/offsets`));
  assert.deepEqual(
    offsets.map(({ partition }) => partition),
    [0, 1],
    "what was committed before stays",
  );
});

test("a group takes so many members, and no more", async (t) => {
  const { send, broker } = await testApp(t, { groups: { maxSize: 2 } });
  await broker.createTopic("events", { partitions: 4 });
  const join = (memberId: string) => send("POST", `${base}/members`, { topics: ["events"], memberId });
  for (const memberId of ["one", "two"]) await read(await join(memberId));
  assert.match(await refused(await join("three"), 429, "GROUP_MAX_SIZE_REACHED"), /2 members/);
  await read(await join("one"));
  await send("DELETE", `${base}/members/two`);
  await read(await join("three"));
});

test("groups are listed by state and type, described, and deleted when empty", async (t) => {
  const { send, get } = await start(t);
  assert.deepEqual(await read(await get("/v1/groups")), { groups: [] });
  await refused(await get(base), 404, "GROUP_ID_NOT_FOUND");
  await refused(await send("DELETE", base), 404, "GROUP_ID_NOT_FOUND");
  await refused(await get(`${base}/offsets`), 404, "GROUP_ID_NOT_FOUND");
  const { memberId } = await read<Membership>(await send("POST", `${base}/members`, { topicRegex: "ev.*" }));
  await send("POST", "/v1/groups/a%2Fb%25%20c/offsets", { offsets: [{ topic: "events", partition: 0, offset: 0 }] });
  assert.deepEqual(await read(await get("/v1/groups")), {
    groups: [
      { group: "a/b% c", type: "classic", protocolType: "", state: "Empty" },
      { group: "billing", type: "consumer", protocolType: "consumer", state: "Stable" },
    ],
  });
  const names = async (query: string): Promise<string[]> =>
    (await read<{ groups: { group: string }[] }>(await get(`/v1/groups?${query}`))).groups.map(({ group }) => group);
  assert.deepEqual(await names("state=stable"), ["billing"]);
  assert.deepEqual(await names("type=classic"), ["a/b% c"]);
  assert.equal((await read<{ group: string }>(await get("/v1/groups/a%2Fb%25%20c"))).group, "a/b% c");
  await refused(await send("DELETE", base), 409, "NON_EMPTY_GROUP");
  assert.equal((await send("DELETE", `${base}/members/${memberId}`)).status, 204);
  assert.equal((await send("DELETE", base)).status, 204);
  assert.equal((await send("DELETE", "/v1/groups/a%2Fb%25%20c")).status, 204);
  assert.deepEqual(await read(await get("/v1/groups")), { groups: [] });
});

test("offsets are committed by a member's epoch, and no other", async (t) => {
  const { send, get, broker } = await start(t);
  await broker.produce("events", [{ value: "a" }, { value: "b" }, { value: "c" }], { partition: 1 });
  const { memberId, memberEpoch } = await read<Membership>(
    await send("POST", `${base}/members`, { topics: ["events"] }),
  );
  const offsets = [{ topic: "events", partition: 1, offset: 2, metadata: "half" }];
  const commit = (body: object): Promise<Response> => send("POST", `${base}/offsets`, { offsets, ...body });
  await refused(await commit({ memberId, memberEpoch: memberEpoch + 1 }), 409, "STALE_MEMBER_EPOCH");
  await refused(await commit({ memberId: "stranger", memberEpoch }), 404, "UNKNOWN_MEMBER_ID");
  await refused(await commit({ memberId }), 404, "UNKNOWN_MEMBER_ID");
  // From outside, into a group that has members.
  await refused(await commit({}), 404, "UNKNOWN_MEMBER_ID");
  assert.deepEqual(await read(await commit({ memberId, memberEpoch })), {
    offsets: [{ topic: "events", partition: 1, offset: 2 }],
  });
  const committed = {
    ...{ topic: "events", partition: 1, offset: 2, leaderEpoch: -1, metadata: "half" },
    ...{ logStartOffset: 0, highWatermark: 3, lag: 1 },
  };
  assert.deepEqual(await read(await get(`${base}/offsets`)), { offsets: [committed] });
  assert.deepEqual(await read(await get(`${base}/offsets?topics=others`)), { offsets: [] });
  assert.deepEqual((await read<{ offsets: unknown }>(await get(base))).offsets, [committed]);
  const asMember = `${base}/offsets?memberId=${memberId}&memberEpoch=`;
  assert.deepEqual(await read(await get(`${asMember}${memberEpoch}`)), { offsets: [committed] });
  await refused(await get(`${asMember}${memberEpoch + 1}`), 409, "STALE_MEMBER_EPOCH");

  const mixed = [...offsets, { topic: "events", partition: 9, offset: 0 }];
  const answered = await read<{ offsets: { error?: { code: string } }[] }>(
    await commit({ memberId, memberEpoch, offsets: mixed }),
    207,
  );
  assert.deepEqual(
    answered.offsets.map(({ error }) => error?.code),
    [undefined, "UNKNOWN_TOPIC_OR_PARTITION"],
  );

  await refused(await send("DELETE", `${base}/offsets?topic=events&partition=1`), 409, "GROUP_SUBSCRIBED_TO_TOPIC");
  await send("DELETE", `${base}/members/${memberId}`);
  assert.equal((await commit({})).status, 200, "an empty group's are anyone's");
  assert.deepEqual(await read(await send("DELETE", `${base}/offsets?topic=events`)), {
    offsets: [{ topic: "events", partition: 1 }],
  });
  assert.deepEqual(await read(await get(`${base}/offsets`)), { offsets: [] });
});

test("bad input is refused by name", async (t) => {
  const { send, get } = await start(t);
  const offset = { topic: "events", partition: 0, offset: 0 };
  const bad: [string, string, unknown, RegExp][] = [
    ["POST", `${base}/members`, {}, /topics/],
    ["POST", `${base}/members`, { topics: "events" }, /topics/],
    ["POST", `${base}/members`, { topics: ["events"], colour: 1 }, /colour/],
    ["POST", `${base}/members`, { topics: ["events"], memberId: "x".repeat(513) }, /memberId/],
    ["POST", `${base}/members/x`, { topics: [] }, /memberEpoch/],
    ["POST", `${base}/members/x`, { memberEpoch: 0 }, /join/],
    ["POST", `${base}/members/x`, { memberEpoch: -1 }, /memberEpoch/],
    [
      "POST",
      `${base}/members/x`,
      { memberEpoch: 1, assignment: [{ topic: "events", partitions: [-1] }] },
      /partitions/,
    ],
    ["POST", `${base}/offsets`, { offsets: [] }, /offsets/],
    ["POST", `${base}/offsets`, { offsets: [{ ...offset, offset: -1 }] }, /offset/],
    ["POST", `${base}/offsets`, { offsets: [{ ...offset, offset: 2 ** 53 }] }, /offset/],
    ["POST", `${base}/offsets`, { offsets: [offset, offset] }, /twice/],
    ["POST", `${base}/offsets`, { offsets: [offset], memberEpoch: 3 }, /memberId/],
    ["DELETE", `${base}/offsets`, undefined, /topic/],
    ["DELETE", `${base}/offsets?topic=events&partition=x`, undefined, /partition/],
    ["GET", `${base}/offsets?memberId=x`, undefined, /memberEpoch/],
    ["GET", "/v1/groups?type=share", undefined, /type/],
  ];
  for (const [method, path, body, words] of bad)
    assert.match(await refused(await send(method, path, body), 400, "INVALID_REQUEST"), words);
  await refused(await send("POST", `${base}/members`, { topicRegex: "(" }), 400, "INVALID_REGULAR_EXPRESSION");
  await refused(await send("POST", `${base}/members`, { topics: [], assignor: "mine" }), 400, "UNSUPPORTED_ASSIGNOR");
  await refused(await get(`/v1/groups/${"g".repeat(513)}`), 400, "INVALID_GROUP_ID");
  assert.deepEqual(await read(await get("/v1/groups")), { groups: [] }, "none of it made a group");
});
