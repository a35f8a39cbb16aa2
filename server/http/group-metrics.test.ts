import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type TestApp, testApp } from "./app.test.support.ts";
import { greatestLags, mostGroupsWithLag } from "./group-metrics.ts";

async function start(t: TestContext): Promise<TestApp> {
  const started = await testApp(t);
  await started.broker.createTopic("events", { partitions: 2 });
  return started;
}

/** The series of /metrics that begin so, with their values. */
async function series({ get }: TestApp, name: string): Promise<Record<string, number>> {
  const lines = (await (await get("/metrics")).text()).split("\n");
  return Object.fromEntries(
    lines
      .filter((line) => line.startsWith(name))
      .map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

async function commit({ broker }: TestApp, groupId: string, ...offsets: readonly number[]): Promise<void> {
  const partitions = offsets.map((committedOffset, partitionIndex) => ({ partitionIndex, committedOffset }));
  const outcomes = await broker.groups.commitOffsets({ groupId, topics: [{ name: "events", partitions }] });
  assert.ok(outcomes.every((topic) => topic.partitions.every(({ error }) => error === undefined)));
}

async function produce({ send }: TestApp, partition: number, count: number): Promise<void> {
  const records = Array.from({ length: count }, () => ({ partition, value: "x" }));
  assert.equal((await send("POST", "/v1/topics/events/records", { records })).status, 200);
}

test("groups by protocol and state, their members, rebalances and offsets are counted", async (t) => {
  const app = await start(t);
  assert.deepEqual(await series(app, "moldau_groups{"), {});
  assert.deepEqual(await series(app, "moldau_group_rebalances_total"), { moldau_group_rebalances_total: 0 });
  const { send, broker } = app;
  const join = (memberId: string) =>
    send("POST", "/v1/groups/billing/members", { topics: ["events"], memberId, rebalanceTimeoutMs: 1000 });
  await join("one");
  assert.deepEqual(await series(app, "moldau_groups{"), { 'moldau_groups{type="consumer",state="Stable"}': 1 });
  assert.deepEqual(await series(app, "moldau_group_rebalances_total"), { moldau_group_rebalances_total: 1 });
  await join("two");
  const joined = broker.groups.joinGroup({
    ...{ groupId: "old", sessionTimeoutMs: 10_000, memberId: "", protocolType: "consumer" },
    protocols: [{ name: "range", metadata: new Uint8Array(8) }],
  });
  await joined;
  await commit(app, "offsets only", 0, 0);
  assert.deepEqual(await series(app, "moldau_groups{"), {
    'moldau_groups{type="consumer",state="Reconciling"}': 1,
    'moldau_groups{type="classic",state="CompletingRebalance"}': 1,
    'moldau_groups{type="classic",state="Empty"}': 1,
  });
  assert.deepEqual(await series(app, "moldau_group_members"), { moldau_group_members: 3 });
  assert.deepEqual(await series(app, "moldau_committed_offsets"), { moldau_committed_offsets: 2 });
  assert.deepEqual(await series(app, "moldau_group_rebalances_total"), { moldau_group_rebalances_total: 3 });
  await broker.groups.deleteGroups(["offsets only"]);
  assert.deepEqual(await series(app, "moldau_committed_offsets"), { moldau_committed_offsets: 0 });
  assert.equal((await series(app, "moldau_groups{"))['moldau_groups{type="classic",state="Empty"}'], undefined);
});

test("a group's lag is what is there beyond its offsets, without what is deleted, and goes with the group", async (t) => {
  const app = await start(t);
  await produce(app, 0, 10);
  await produce(app, 1, 5);
  await commit(app, "slow", 1, 2);
  await commit(app, 'odd "name"\n', 10, 5);
  const odd = 'moldau_group_lag{group="odd \\"name\\"\\n"}';
  assert.deepEqual(await series(app, "moldau_group_lag{"), { 'moldau_group_lag{group="slow"}': 12, [odd]: 0 });
  await app.broker.deleteRecords("events", 0, 4);
  await produce(app, 1, 1);
  assert.deepEqual(await series(app, "moldau_group_lag{"), { 'moldau_group_lag{group="slow"}': 10, [odd]: 1 });
  await app.broker.groups.deleteGroups(["slow"]);
  assert.deepEqual(await series(app, "moldau_group_lag{"), { [odd]: 1 });
});

test("of many groups those that lag most have series, and the rest is counted", async (t) => {
  const app = await start(t);
  const count = mostGroupsWithLag + 7;
  await produce(app, 0, count);
  for (let at = 0; at < count; at++) await commit(app, `group-${at}`, at);
  assert.deepEqual(await series(app, "moldau_group_lag_omitted"), { moldau_group_lag_omitted_offsets: 7 });
  const lags = await series(app, "moldau_group_lag{");
  assert.equal(Object.keys(lags).length, mostGroupsWithLag);
  assert.equal(lags['moldau_group_lag{group="group-0"}'], count);
  assert.equal(Math.min(...Object.values(lags)), 8, "those that lag 1 to 7 are left out");
});

test("a scrape looks at so many offsets at most, and never at half of a group", async (t) => {
  const app = await start(t);
  await produce(app, 0, 3);
  for (const group of ["a", "b", "c"]) await commit(app, group, 0, 0);
  const lags = (most: number) => greatestLags(app.broker, 10, most);
  assert.deepEqual([lags(6).groups.length, lags(6).offsets], [3, 6]);
  assert.deepEqual([lags(5).groups.length, lags(5).offsets], [2, 4]);
  assert.deepEqual([lags(4).groups.length, lags(4).offsets], [2, 4]);
  assert.deepEqual([lags(1).groups.length, lags(1).offsets], [0, 0]);
  assert.ok(lags(5).groups.every(({ lag }) => lag === 3));
});
