import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { problemOf, Reading, type TestApp, type TestOptions, testApp } from "./app.test.support.ts";

const path = "/v1/topics/events/partitions/0/records";
const events = { accept: "text/event-stream" };

async function start(t: TestContext, options: TestOptions = {}): Promise<TestApp> {
  const started = await testApp(t, options);
  await started.broker.createTopic("events");
  return started;
}

const ids = (text: string): number[] => [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));

test("what is there comes first, then what is appended; every event is one record with its offset as id", async (t) => {
  const { get, broker } = await start(t);
  await broker.produce("events", [{ key: "k", value: "a\nb" }, { value: '{"x":\n1}' }], { partition: 0 });
  const response = await get(`${path}?values=json`, events);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const reading = new Reading(response);
  await reading.until((text) => ids(text).length === 2);
  await broker.produce("events", [{ value: "later", timestamp: 9 }], { partition: 0 });
  const text = await reading.until((all) => ids(all).length === 3);
  assert.deepEqual(ids(text), [0, 1, 2]);
  const blocks = text.split("\n\n").filter((block) => block.startsWith("id:"));
  assert.equal(blocks[2], 'id: 2\ndata: {"offset":2,"timestamp":9,"key":null,"value":"later","headers":[]}');
  for (const block of blocks) assert.equal(block.split("\n").length, 2, block);
  assert.match(blocks[0]!, /"value":"a\\nb"/);
  assert.match(blocks[1]!, /"value":\{"json":\{"x": 1\}\}/);
  await reading.cancel();
});

test("Last-Event-ID resumes after itself, whatever offset= says; limit ends the stream", async (t) => {
  const { get, broker } = await start(t);
  await broker.produce(
    "events",
    Array.from({ length: 10 }, () => ({ value: "v" })),
    { partition: 0 },
  );
  const resumed = new Reading(await get(`${path}?offset=earliest&limit=3`, { ...events, "last-event-id": "4" }));
  assert.deepEqual(ids(await resumed.rest()), [5, 6, 7]);
  const tail = new Reading(await get(`${path}?offset=latest&limit=1`, { ...events, "last-event-id": "" }));
  await broker.produce("events", [{ value: "new" }], { partition: 0 });
  assert.deepEqual(ids(await tail.rest()), [10]);
  for (const id of ["x", "-1", "9007199254740991"]) {
    assert.equal((await problemOf(await get(path, { ...events, "last-event-id": id }))).code, "INVALID_REQUEST", id);
  }
  await broker.deleteRecords("events", 0, 8);
  const gone = await get(path, { ...events, "last-event-id": "3" });
  assert.equal(gone.status, 416);
  assert.equal((await problemOf(gone))["logStartOffset"], 8);
});

test("a stream with nothing to say sends heartbeats, and ends its wait when the client goes", async (t) => {
  const { get, broker } = await start(t, { heartbeatMs: 1 });
  const reading = new Reading(await get(path, events));
  await reading.until((text) => text.split(": heartbeat\n\n").length > 3);
  await broker.produce("events", [{ value: "a" }], { partition: 0 });
  await reading.until((text) => ids(text).length === 1);
  await reading.cancel();
  while (broker.metrics().waitingFetches > 0) await new Promise((resolve) => setImmediate(resolve));
});

test("the request's own signal ends the wait, too", async (t) => {
  const { app, broker } = await start(t);
  const gone = new AbortController();
  const response = await app.fetch(new Request(`http://test${path}`, { headers: events, signal: gone.signal }));
  const rest = new Reading(response).rest();
  while (broker.metrics().waitingFetches === 0) await new Promise((resolve) => setImmediate(resolve));
  gone.abort();
  assert.doesNotMatch(await rest, /event: error/);
  assert.equal(broker.metrics().waitingFetches, 0);
});

test("an error in mid stream is an event, then the end", async (t) => {
  const { get, broker } = await start(t);
  const reading = new Reading(await get(path, events));
  const text = reading.rest();
  while (broker.metrics().waitingFetches === 0) await new Promise((resolve) => setImmediate(resolve));
  await broker.deleteTopic("events");
  const data = /event: error\ndata: (.*)\n\n$/.exec(await text)?.[1];
  assert.equal((JSON.parse(data ?? "{}") as { code: string }).code, "UNKNOWN_TOPIC_OR_PARTITION");
});

test("a slow reader is not read ahead for", async (t) => {
  const { get, broker } = await start(t);
  for (let at = 0; at < 50; at += 1) await broker.produce("events", [{ value: "x".repeat(10_000) }], { partition: 0 });
  const before = broker.metrics().fetches;
  const reading = new Reading(await get(`${path}?maxBytes=10000`, events));
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(broker.metrics().fetches - before <= 3, `${broker.metrics().fetches - before} fetches for nobody`);
  assert.equal(ids(await reading.until((text) => ids(text).length === 50)).length, 50);
  await reading.cancel();
});
