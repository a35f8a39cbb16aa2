import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { drain, ManualClock } from "../../engine/broker/world.test.support.ts";
import { problemOf, Reading, type TestApp, type TestOptions, testApp } from "./app.test.support.ts";

const path = "/v1/topics/events/partitions/0/records";
const raw = { accept: "application/vnd.kafka.record-batch" };
const recordBytes = 500_000;

/** A listener whose clients take their answers when the test says so. */
async function slowlyServed(
  t: TestContext,
  options: TestOptions = {},
): Promise<TestApp & { fetch(query: string, headers?: Record<string, string>): Promise<Response>; left(): void }> {
  const app = await testApp(t, options);
  await app.broker.createTopic("events");
  for (let count = 0; count < 20; count += 1) {
    await app.broker.produce("events", [{ value: "x".repeat(recordBytes) }]);
  }
  const unsent: (() => void)[] = [];
  const exchange = { onSent: (run: () => void) => void unsent.push(run) };
  const fetch = async (query: string, headers: Record<string, string> = {}): Promise<Response> =>
    app.app.fetch(new Request(`http://test${path}?${query}`, { headers }), { exchange });
  return { ...app, fetch, left: () => unsent.shift()?.() };
}

test("raw answers hold the pool until they have left; for whom there is no room for long is told to come back", async (t) => {
  const clock = new ManualClock();
  const { broker, fetch, left } = await slowlyServed(t, { clock });
  const answers: Response[] = [];
  for (;;) {
    const before = broker.metrics().lentBytes;
    const answer = fetch("maxBytes=16777216", raw);
    await drain();
    if (broker.metrics().lentBytes === before) {
      await clock.advance(10_000);
      const refused = await answer;
      assert.equal(refused.status, 429);
      assert.equal((await problemOf(refused)).code, "THROTTLING_QUOTA_EXCEEDED");
      break;
    }
    answers.push(await answer);
    assert.ok(broker.metrics().lentBytes <= 64 * 1024 * 1024, "slow readers hold no more than the pool");
  }
  assert.ok(answers.length > 16, "each takes a share of what is free");
  const next = fetch("maxBytes=1000000", raw);
  await drain();
  left();
  assert.equal((await next).status, 200, "what has left makes room");
  for (let count = 0; count <= answers.length; count += 1) left();
  assert.equal(broker.metrics().lentBytes, 0);
});

test("written answers hold their budget until they have left, and waiting for records holds none", async (t) => {
  const clock = new ManualClock();
  const { broker, fetch, left } = await slowlyServed(t, { clock, answersBytes: 5_000_000 });
  for (const accept of ["application/json", "application/cbor", "application/x-ndjson", "application/cbor-seq"]) {
    // Each is about 1 MB, and asks for four times its batches before it knows.
    const read = (): Promise<Response> => fetch("limit=2&maxBytes=1000000", { accept });
    assert.equal((await read()).status, 200);
    assert.equal((await read()).status, 200);
    const waits = Array.from({ length: 20 }, () => fetch("offset=latest&waitMs=5000", { accept }));
    const refused = read();
    await drain();
    await clock.advance(10_000);
    assert.equal((await refused).status, 429, accept);
    for (const wait of waits) assert.ok([200, 429].includes((await wait).status));
    const next = read();
    await drain();
    left();
    left();
    assert.equal((await next).status, 200, accept);
    for (let count = 0; count < 30; count += 1) left();
  }
  await broker.produce("events", [{ value: "new" }]);
  const late = fetch("offset=21&waitMs=5000");
  await drain();
  await broker.produce("events", [{ value: "awaited" }]);
  await drain();
  assert.match(await (await late).text(), /awaited/);
});

test("an event stream holds one piece until the next is asked for, and none once its client has gone", async (t) => {
  const { fetch, left } = await slowlyServed(t, { answersBytes: 5_000_000 });
  const read = (): Promise<Response> => fetch("limit=2&maxBytes=1000000");
  const events = await fetch("maxBytes=1000000", { accept: "text/event-stream" });
  const reading = new Reading(events);
  await reading.until((text) => text.includes("id: 1\n"));
  assert.equal((await read()).status, 200);
  await reading.until((text) => text.includes("id: 19\n"));
  await reading.cancel();
  left();
  left();
  // All of it is there again.
  assert.equal((await fetch("limit=2&maxBytes=4194304")).status, 200);
});

test("HEAD of an event stream holds nothing when it is answered, also where the listener does not say what has left", async (t) => {
  const { app } = await slowlyServed(t, { answersBytes: 5_000_000 });
  const head = { method: "HEAD", headers: { accept: "text/event-stream" } };
  for (let count = 0; count < 20; count += 1) {
    const answer = await app.fetch(new Request(`http://test${path}?maxBytes=1000000`, head));
    assert.equal(answer.status, 200, `request ${count}`);
  }
});
