import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { problemOf, Reading, type TestApp, type TestOptions, testApp } from "./app.test.support.ts";

const base = "/v1/groups/billing";
const events = { accept: "text/event-stream" };
const partitions = 4;

interface Answer {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly assignment: { readonly topic: string; readonly partitions: number[] }[];
  readonly answer: number;
  readonly lag: number;
  readonly next: string;
  readonly records: {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
    readonly value: string;
  }[];
}

async function start(t: TestContext, options: TestOptions = {}): Promise<TestApp> {
  const started = await testApp(t, options);
  await started.broker.createTopic("events", { partitions });
  return started;
}

async function produce({ broker }: TestApp, ...values: string[]): Promise<void> {
  for (const [at, value] of values.entries())
    await broker.produce("events", [{ value }], { partition: at % partitions });
}

async function read<T = Answer>(response: Response, status = 200): Promise<T> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  return JSON.parse(text) as T;
}

async function code(response: Response): Promise<string> {
  return `${response.status} ${(await problemOf(response)).code}`;
}

const valuesOf = ({ records }: Answer): string[] => records.map(({ value }) => value).sort();
const held = ({ assignment }: Pick<Answer, "assignment">): number =>
  assignment.reduce((sum, one) => sum + one.partitions.length, 0);

async function committed({ get }: TestApp): Promise<number[]> {
  const { offsets } = await read<{ offsets: { offset: number }[] }>(await get(`${base}/offsets`));
  return offsets.map(({ offset }) => offset);
}

/** Until it holds; a test that waits for ever fails by its own timeout. */
async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let turn = 0; turn < 400; turn += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`never: ${holds}`);
}

test("a poll commits the answer before; whoever comes later goes on there", async (t) => {
  const app = await start(t);
  await produce(app, "a", "b", "c", "d");
  const response = await app.get(`${base}/records?topics=events&limit=3`);
  assert.equal(response.headers.get("cache-control"), "no-store");
  const first = await read(response);
  assert.equal(first.records.length, 3);
  assert.deepEqual([first.answer, first.lag, held(first)], [1, 1, partitions]);
  assert.deepEqual(await committed(app), [], "nothing is, before it is known to have come");
  const second = await read(await app.get(first.next));
  assert.deepEqual([...valuesOf(first), ...valuesOf(second)].sort(), ["a", "b", "c", "d"]);
  assert.deepEqual([second.answer, second.lag, second.memberId], [2, 0, first.memberId]);
  assert.deepEqual(await committed(app), [1, 1, 1]);
  assert.equal((await read(await app.get(second.next))).records.length, 0);
  assert.deepEqual(await committed(app), [1, 1, 1, 1]);
  assert.equal((await app.send("DELETE", `${base}/members/${first.memberId}`)).status, 204);
  assert.equal(app.sessions.count, 0);
  await produce(app, "e");
  assert.deepEqual(valuesOf(await read(await app.get(`${base}/records?topics=events`))), ["e"]);
});

test("an answer that was lost is handed out again, and one that is neither is refused", async (t) => {
  const app = await start(t);
  await produce(app, "a", "b");
  const first = await read(await app.get(`${base}/records?topics=events`));
  await produce(app, "c");
  const lost = await read(await app.get(first.next));
  assert.deepEqual(valuesOf(lost), ["c"]);
  const again = await read(await app.get(first.next));
  assert.deepEqual([valuesOf(again), again.answer], [["c"], 3]);
  assert.deepEqual(await committed(app), [1, 1], "what was lost is not committed");
  // The lost one turns up after all, and is not what the server counts on any more.
  assert.equal(await code(await app.get(lost.next)), "409 STALE_MEMBER_EPOCH");
  await read(await app.get(again.next));
  assert.deepEqual(await committed(app), [2, 1]);
});

test("a poll waits, and wakes when there is a record", async (t) => {
  const app = await start(t);
  const waiting = app.get(`${base}/records?topics=events&waitMs=20000`);
  await until(() => app.broker.metrics().waitingFetches > 0);
  await produce(app, "a");
  assert.deepEqual(valuesOf(await read(await waiting)), ["a"]);
});

test("two polling members share the partitions; what was handed out is waited for, then none is read twice", async (t) => {
  const app = await start(t);
  await produce(app, "a", "b", "c", "d");
  const one = await read(await app.get(`${base}/records?topics=events`));
  assert.equal(one.records.length, 4);
  const other = await read(await app.get(`${base}/records?topics=events`));
  assert.deepEqual([held(other), other.records.length], [0, 0], "the first has not said yet that it has them");
  const oneAgain = await read(await app.get(one.next));
  assert.equal(held(oneAgain), 2);
  let next = other.next;
  await until(async () => {
    const answer = await read(await app.get(next));
    next = answer.next;
    assert.deepEqual(answer.records, []);
    return held(answer) === 2;
  });
  await produce(app, "e", "f", "g", "h");
  const shares = [await read(await app.get(oneAgain.next)), await read(await app.get(next))];
  assert.deepEqual(
    shares.map(({ records }) => records.length),
    [2, 2],
  );
  assert.deepEqual(shares.flatMap(valuesOf).sort(), ["e", "f", "g", "h"]);
  // One leaves without having said that it has its two: the other gets them again.
  await app.send("DELETE", `${base}/members/${one.memberId}`);
  let last = shares[1]!;
  const seen: string[] = [];
  await until(async () => {
    last = await read(await app.get(last.next));
    seen.push(...valuesOf(last));
    return seen.length === 2;
  });
  assert.deepEqual(seen.sort(), valuesOf(shares[0]!));
  assert.equal(held(last), partitions);
});

test("a partition that is to go is let go after a while, acknowledged or not", async (t) => {
  const app = await start(t, { revokeWaitMs: 50 });
  await produce(app, "a", "b", "c", "d");
  const one = await read(await app.get(`${base}/records?topics=events`));
  let other = await read(await app.get(`${base}/records?topics=events`));
  const seen: string[] = [];
  await until(async () => {
    other = await read(await app.get(other.next));
    seen.push(...valuesOf(other));
    return held(other) === 2 && seen.length === 2;
  });
  // Too late for what the other has read by now; the rest is committed.
  await read(await app.get(one.next));
  await read(await app.get(other.next));
  assert.deepEqual(await committed(app), [1, 1, 1, 1]);
});

test("a stream says its member and partitions, then records; POST commits them", async (t) => {
  const app = await start(t);
  await produce(app, "a");
  const response = await app.get(`${base}/records?topics=events`, events);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.equal(response.headers.get("cache-control"), "no-store");
  const reading = new Reading(response);
  const text = await reading.until((all) => all.includes('"value":"a"'));
  const said = JSON.parse(/^event: assignment\ndata: (.*)$/m.exec(text)![1]!) as Answer;
  assert.equal(held(said), partitions);
  assert.match(text, /^data: \{"topic":"events","partition":0,"offset":0,.*"value":"a"/m);
  const commit = (offsets: unknown, memberId = said.memberId): Promise<Response> =>
    app.send("POST", `${base}/offsets`, { memberId, offsets });
  assert.equal((await commit([{ topic: "events", partition: 0, offset: 1 }])).status, 200);
  assert.deepEqual(await committed(app), [1]);
  assert.equal(await code(await commit([{ topic: "other", partition: 0, offset: 1 }])), "409 STALE_MEMBER_EPOCH");

  // A second one comes: the first is told, and may commit no more for what it has let go.
  const second = await read(await app.get(`${base}/records?topics=events`));
  const later = await reading.until(
    (all) => all.split("event: assignment").length > 2 && /"partitions":\[\d,\d\]\}\]\}\n\n$/.test(all),
  );
  const kept = JSON.parse([...later.matchAll(/^event: assignment\ndata: (.*)$/gm)].at(-1)![1]!) as Answer;
  assert.equal(held(kept), 2);
  const gone = [0, 1, 2, 3].find((partition) => !kept.assignment[0]!.partitions.includes(partition))!;
  await until(async () => {
    const refusal = await commit([{ topic: "events", partition: gone, offset: 0 }]);
    return refusal.status === 409 && (await code(refusal)) === "409 STALE_MEMBER_EPOCH";
  });
  // Its client goes: its member leaves, and the other has everything.
  await reading.cancel();
  await until(() => app.sessions.count === 1);
  assert.equal(await code(await commit([{ topic: "events", partition: 0, offset: 1 }])), "404 UNKNOWN_MEMBER_ID");
  let { next } = second;
  await until(async () => {
    const answer = await read(await app.get(next));
    ({ next } = answer);
    return held(answer) === partitions;
  });
});

test("a client that has hung up: a stream's member leaves at once, a poll's when nobody comes back", async (t) => {
  const app = await start(t);
  for (const headers of [events, {}] as Record<string, string>[]) {
    const gone = new AbortController();
    const url = `http://test${base}/records?topics=events${"accept" in headers ? "" : "&waitMs=60000"}`;
    const asking = Promise.resolve(app.app.fetch(new Request(url, { headers, signal: gone.signal })));
    const rest = "accept" in headers ? new Reading(await asking).rest() : asking.then(({ status }) => String(status));
    await until(() => app.broker.metrics().waitingFetches > 0);
    assert.equal(app.sessions.count, 1);
    gone.abort();
    assert.doesNotMatch(await rest, /event: error/);
    await until(() => app.sessions.count === 0);
    assert.equal(app.broker.metrics().waitingFetches, 0);
  }
});

test("a poll's member leaves when no poll comes for sessionMs", async (t) => {
  const app = await start(t);
  const first = await read(await app.get(`${base}/records?topics=events&sessionMs=1000`));
  assert.match(first.next, /sessionMs=1000/);
  await until(() => app.sessions.count === 0);
  assert.equal(await code(await app.get(first.next)), "404 UNKNOWN_MEMBER_ID");
});

test("a polling member that was fenced joins anew by itself, and what it had not committed comes again", async (t) => {
  const app = await start(t);
  await produce(app, "a", "b", "c", "d");
  const first = await read(await app.get(`${base}/records?topics=events`));
  const { memberId } = first;
  // As if it had missed its session: the group does not know it any more.
  const fence = () => app.broker.groups.consumerGroupHeartbeat({ groupId: "billing", memberId, memberEpoch: -1 });
  await fence();
  const again = await read(await app.get(first.next));
  assert.deepEqual(valuesOf(again), ["a", "b", "c", "d"]);
  assert.deepEqual([again.memberId, held(again)], [memberId, partitions]);
  assert.deepEqual(await committed(app), []);
  const empty = await read(await app.get(again.next));
  assert.deepEqual([valuesOf(empty), await committed(app)], [[], [1, 1, 1, 1]]);
  assert.equal(app.sessions.count, 1);
  // Also without a poll, by its heartbeat.
  await fence();
  await until(async () => {
    const [described] = await app.broker.groups.describeConsumerGroups(["billing"]);
    return described!.members.length === 1;
  });
  await produce(app, "e");
  assert.deepEqual(valuesOf(await read(await app.get(empty.next))), ["e"]);
});

test("a stream whose member was fenced goes on; a commit of before is refused, once", async (t) => {
  const app = await start(t);
  await produce(app, "a");
  const stream = new Reading(await app.get(`${base}/records?topics=events`, events));
  t.after(() => stream.cancel());
  const text = await stream.until((all) => all.includes('"value":"a"'));
  const { memberId } = JSON.parse(/^event: assignment\ndata: (.*)$/m.exec(text)![1]!) as Answer;
  await app.broker.groups.consumerGroupHeartbeat({ groupId: "billing", memberId, memberEpoch: -1 });
  const commit = () =>
    app.send("POST", `${base}/offsets`, { memberId, offsets: [{ topic: "events", partition: 0, offset: 1 }] });
  assert.equal(await code(await commit()), "409 STALE_MEMBER_EPOCH");
  assert.equal((await commit()).status, 200);
  assert.deepEqual(await committed(app), [1]);
  // Nothing was committed when it joined anew.
  await stream.until((all) => all.split('"value":"a"').length > 2);
});

test("members that the server keeps have a limit, and one that leaves makes room", async (t) => {
  const app = await start(t, { mostMembers: 2 });
  const join = (group: string): Promise<Response> => app.get(`/v1/groups/${group}/records?topics=events`);
  const { memberId } = await read(await join("one"));
  await read(await join("two"));
  const refused = await join("three");
  assert.equal(refused.headers.has("retry-after"), true);
  assert.equal(await code(refused), "429 THROTTLING_QUOTA_EXCEEDED");
  assert.equal((await app.get("/v1/groups/three")).status, 404, "nothing was joined");
  assert.equal((await app.send("DELETE", `/v1/groups/one/members/${memberId}`)).status, 204);
  await read(await join("three"));
  assert.equal(app.sessions.count, 2);
});

test("a join that is refused takes no place of those that the server keeps", async (t) => {
  const app = await start(t, { mostMembers: 2, groups: { maxSize: 1 } });
  const first = await read(await app.get(`${base}/records?topics=events`));
  for (let attempt = 0; attempt < 3; attempt++)
    assert.equal(await code(await app.get(`${base}/records?topics=events`)), "429 GROUP_MAX_SIZE_REACHED");
  assert.equal(app.sessions.count, 1);
  assert.equal((await app.send("DELETE", `${base}/members/${first.memberId}`)).status, 204);
  await read(await app.get(`${base}/records?topics=events`));
});

test("at a stop streams and waits end, and the members leave", async (t) => {
  const app = await start(t);
  const reading = new Reading(await app.get(`${base}/records?topics=events`, events));
  const text = reading.rest();
  const waiting = app.get("/v1/groups/others/records?topics=events&waitMs=60000");
  await until(() => app.sessions.count === 2 && app.broker.metrics().waitingFetches >= 2);
  await app.sessions.close();
  assert.equal(await code(await waiting), "503 BROKER_CLOSED");
  assert.match(await text, /event: error\ndata: .*BROKER_CLOSED/);
  for (const { groupState } of await app.broker.groups.listGroups()) assert.equal(groupState, "Empty");
  assert.equal(await code(await app.get(`${base}/records?topics=events`)), "503 BROKER_CLOSED");
});

test("retention, a deleted topic, and offset=latest", async (t) => {
  const app = await start(t);
  await produce(app, "a", "b");
  const late = await read(await app.get("/v1/groups/late/records?topics=events&offset=latest"));
  assert.deepEqual([late.records, late.lag], [[], 0]);
  const first = await read(await app.get(`${base}/records?topics=events&limit=1`));
  await app.broker.deleteRecords("events", 0, -1);
  await app.broker.deleteRecords("events", 1, -1);
  await produce(app, "c", "d");
  assert.deepEqual(
    valuesOf(await read(await app.get(first.next.replace("&limit=1", "")))),
    ["c", "d"],
    "it begins anew where its position is gone",
  );
  assert.deepEqual(valuesOf(await read(await app.get(late.next))), ["c", "d"]);
  const reading = new Reading(await app.get(`/v1/groups/third/records?topics=events`, events));
  await reading.until((all) => all.includes('"value":"c"'));
  await app.broker.deleteTopic("events");
  await reading.until((all) => /"assignment":\[\]\}\n\n$/.test(all));
  await reading.cancel();
});

test("CBOR carries bytes", async (t) => {
  const app = await start(t);
  await produce(app, "a");
  const response = await app.get(`${base}/records?topics=events`, { accept: "application/cbor" });
  assert.equal(response.headers.get("content-type"), "application/cbor");
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.ok(bytes.includes(Buffer.from([0x65, ...Buffer.from("value"), 0x41, 0x61])), "value: h'61'");
});

test("bad input is refused, and joins nothing", async (t) => {
  const app = await start(t);
  const records = `${base}/records`;
  for (const [query, headers, words] of [
    ["", {}, /topics is missing/],
    ["?topics=", {}, /commas/],
    ["?topics=a,,b", {}, /commas/],
    ["?topics=events&after=1", {}, /memberId/],
    ["?memberId=x", {}, /after is missing/],
    ["?memberId=x&after=1&offset=latest", {}, /offset/],
    ["?memberId=x&after=1", events, /stream/],
    ["?topics=events&limit=5", events, /limit/],
    ["?topics=events&waitMs=5", events, /waitMs/],
    ["?topics=events&limit=0", {}, /limit/],
    ["?topics=events&sessionMs=5", {}, /sessionMs/],
    ["?topics=events&color=red", {}, /color/],
  ] as [string, Record<string, string>, RegExp][]) {
    const problem = await problemOf(await app.get(records + query, headers));
    assert.equal(problem.code, "INVALID_REQUEST", query);
    assert.match(problem.detail, words);
  }
  assert.equal(await code(await app.get(`${records}?topics=evnets`)), "404 UNKNOWN_TOPIC_OR_PARTITION");
  assert.equal(await code(await app.get(`${records}?memberId=x&after=1`)), "404 UNKNOWN_MEMBER_ID");
  assert.equal((await app.send("HEAD", `${records}?topics=events`)).status, 200);
  assert.equal(app.sessions.count, 0);
  assert.deepEqual(await app.broker.groups.listGroups(), []);
  // A kept member's heartbeats are the server's.
  const { memberId, memberEpoch } = await read(await app.get(`${records}?topics=events`));
  const beat = await app.send("POST", `${base}/members/${memberId}`, { memberEpoch, assignment: [] });
  assert.equal(await code(beat), "400 INVALID_REQUEST");
});
