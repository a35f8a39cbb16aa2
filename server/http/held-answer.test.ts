import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { drain, ManualClock } from "../../engine/broker/world.test.support.ts";
import { problemOf, type TestApp, type TestOptions, testApp } from "./app.test.support.ts";
import { untakenMs } from "./held-answer.ts";

// Behind a listener that does not say when an answer has left: `fetch` is called with a Request alone.
const path = "/v1/topics/events/partitions/0/records";
const raw = { accept: "application/vnd.kafka.record-batch" };
const all = "maxBytes=16777216";

async function filled(
  t: TestContext,
  options: TestOptions = {},
): Promise<TestApp & { readonly clock: ManualClock; fetch(query: string, init?: RequestInit): Promise<Response> }> {
  const clock = new ManualClock();
  const app = await testApp(t, { clock, ...options });
  await app.broker.createTopic("events");
  for (let count = 0; count < 10; count += 1)
    await app.broker.produce("events", [{ value: `${count}é`.repeat(250_000) }], { partition: 0 });
  const fetch = async (query: string, init: RequestInit = {}): Promise<Response> =>
    app.app.fetch(new Request(`http://test${path}?${query}`, init));
  return { ...app, clock, fetch };
}

const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

test("a large raw answer goes out whole, in pieces, and holds its memory until the last is taken", async (t) => {
  const { broker, fetch } = await filled(t);
  const [stored] = await broker.fetchBatches([{ topic: "events", partition: 0, offset: 0 }], { maxBytes: 8 << 20 });
  const answer = await fetch(all, { headers: raw });
  assert.equal(Number(answer.headers.get("content-length")), stored?.bytes.length);
  assert.ok(broker.metrics().lentBytes >= (stored?.bytes.length ?? 0));
  const pieces: Uint8Array[] = [];
  for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
    if (pieces.length < 8) assert.ok(broker.metrics().lentBytes > 0, "it is not released before its end");
    pieces.push(piece);
  }
  assert.ok(pieces.length > 100, `${pieces.length} pieces`);
  assert.equal(broker.metrics().lentBytes, 0);
  // What others read into the same memory later is not seen in pieces taken before.
  await bytesOf(await fetch(`offset=5&${all}`, { headers: raw }));
  assert.ok(Buffer.concat(pieces).equals(stored?.bytes ?? Buffer.alloc(0)));
});

test("untaken raw answers hold no more than the pool; the rest is told to come back", async (t) => {
  const { broker, clock, fetch } = await filled(t);
  const answers = Array.from({ length: 40 }, () => fetch(all, { headers: raw }));
  await drain();
  await clock.advance(10_000);
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  assert.ok(statuses.filter((status) => status === 200).length >= 4);
  assert.ok(statuses.filter((status) => status === 429).length >= 20, String(statuses));
  for (const answer of answers) await (await answer).body?.cancel();
  assert.equal(broker.metrics().lentBytes, 0);
});

test("a client that goes, or takes nothing for long, gives the memory back; one that is slow is not cut", async (t) => {
  const { broker, clock, fetch } = await filled(t);
  const left = await fetch(all, { headers: raw });
  assert.ok(broker.metrics().lentBytes > 0);
  await left.body?.cancel();
  assert.equal(broker.metrics().lentBytes, 0);

  const reader = (await fetch(all, { headers: raw })).body?.getReader();
  for (let count = 0; count < 5; count += 1) {
    await clock.advance(untakenMs - 1);
    assert.equal((await reader?.read())?.done, false);
    assert.ok(broker.metrics().lentBytes > 0);
  }
  await clock.advance(untakenMs - 1);
  assert.ok(broker.metrics().lentBytes > 0);
  await clock.advance(1);
  assert.equal(broker.metrics().lentBytes, 0);
  await assert.rejects(async () => reader?.read(), /nothing was taken for 30 s/);
});

test("a small answer, a refusal, and one to HEAD hold nothing", async (t) => {
  const { broker, fetch } = await filled(t);
  await broker.produce("events", [{ value: "small" }], { partition: 0 });
  const small = await fetch("offset=10", { headers: raw });
  assert.equal(broker.metrics().lentBytes, 0);
  // Read only after its memory was lent again.
  await bytesOf(await fetch(all, { headers: raw }));
  assert.match((await bytesOf(small)).toString("latin1"), /small/);
  const head = await fetch(all, { method: "HEAD", headers: raw });
  assert.ok(Number(head.headers.get("content-length")) > 1_000_000);
  assert.equal(broker.metrics().lentBytes, 0);
  assert.equal((await fetch("offset=99", { headers: raw })).status, 416);
  assert.equal(broker.metrics().lentBytes, 0);
});

test("answers that are written out hold their budget likewise, and are whole", async (t) => {
  const { clock, fetch } = await filled(t, { answersBytes: 5_000_000 });
  for (const accept of ["application/json", "application/cbor", "application/x-ndjson", "application/cbor-seq"]) {
    const read = (): Promise<Response> => fetch("limit=2&maxBytes=1000000", { headers: { accept } });
    const [first, second] = [await read(), await read()];
    assert.deepEqual([first.status, second.status], [200, 200]);
    const refused = read();
    await drain();
    await clock.advance(10_000);
    assert.equal((await problemOf(await refused)).code, "THROTTLING_QUOTA_EXCEEDED", accept);
    const bytes = await bytesOf(first);
    assert.equal(bytes.length, Number(first.headers.get("content-length")), accept);
    assert.ok(bytes.includes("0é".repeat(250_000)), accept);
    assert.equal((await read()).status, 200, accept);
    await clock.advance(untakenMs);
    assert.equal((await read()).status, 200, "what nobody took made room");
    await clock.advance(untakenMs);
  }
});
