import assert from "node:assert/strict";
import { test } from "node:test";
import { drain, ManualClock } from "../../engine/broker/world.test.support.ts";
import { json, PushedBody, problemOf, Reading, testApp } from "./app.test.support.ts";

const path = "/v1/topics/events/records";
const record = (sizeBytes: number): string => {
  const around = '{"records":[{"value":""}]}';
  return `{"records":[{"value":"${"x".repeat(sizeBytes - around.length)}"}]}`;
};

test("a body over the limit is refused by its Content-Length before a byte is kept", async (t) => {
  const { send } = await testApp(t, { maxRequestBytes: 1000 });
  const body = new PushedBody();
  const response = await send("POST", path, body.stream, { ...json, "content-length": "1001" });
  assert.equal(response.status, 413);
  assert.match((await problemOf(response)).detail, /1000 bytes at most/);
  for (const length of ["-1", "abc", "1e3", "9007199254740993"]) {
    assert.equal(
      (await problemOf(await send("POST", path, new PushedBody().stream, { ...json, "content-length": length }))).code,
      "INVALID_REQUEST",
      length,
    );
  }
});

test("a body of unknown length is refused as soon as it passes the limit, and taken when it just fits", async (t) => {
  const { send, broker } = await testApp(t, { maxRequestBytes: 1000 });
  await broker.createTopic("events");
  const over = new PushedBody();
  const refused = send("POST", path, over.stream, json);
  over.push(record(1000));
  over.push("x");
  assert.equal((await refused).status, 413);
  const fits = new PushedBody();
  const taken = send("POST", path, fits.stream, json);
  fits.push(record(1000).slice(0, 400));
  fits.push(record(1000).slice(400));
  fits.end();
  assert.equal((await taken).status, 200);
  assert.equal(broker.offsets("events", 0).latest, 1);
});

test("a body that breaks off, or is shorter than it says, appends nothing", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const whole = record(100);
  for (const headers of [json, { ...json, "content-length": "100" }]) {
    const body = new PushedBody();
    const answer = send("POST", path, body.stream, headers);
    body.push(whole);
    body.breakOff();
    const response = await answer;
    assert.equal(response.status, 400);
    assert.match((await problemOf(response)).detail, /nothing was appended/);
  }
  // Large enough to have asked for its share of the budget.
  const large = new PushedBody();
  const answer = send("POST", path, large.stream, json);
  large.push(record(100_000));
  while (broker.metrics().inFlightBytes === 0) await new Promise((resolve) => setImmediate(resolve));
  large.breakOff();
  assert.equal((await answer).status, 400);
  assert.equal(
    (await problemOf(await send("POST", path, whole, { ...json, "content-length": "200" }))).code,
    "INVALID_REQUEST",
  );
  assert.equal(broker.offsets("events", 0).latest, 0);
  assert.equal(broker.metrics().inFlightBytes, 0);
});

test("bodies wait for the budget, give it back, and never deadlock", async (t) => {
  const maxRequestBytes = 200_000;
  const { send, broker } = await testApp(t, { maxRequestBytes, inFlightBytes: 250_000 });
  await broker.createTopic("events");
  const answers: Promise<Response>[] = [];
  for (let at = 0; at < 12; at += 1) {
    const body = record(at % 2 === 0 ? 150_000 : 1000);
    if (at % 3 !== 0) answers.push(send("POST", path, body, { ...json, "content-length": String(body.length) }));
    else {
      const pieces = new PushedBody();
      answers.push(send("POST", path, pieces.stream, json));
      for (let from = 0; from < body.length; from += 40_000) pieces.push(body.slice(from, from + 40_000));
      pieces.end();
    }
  }
  assert.deepEqual(
    (await Promise.all(answers)).map(({ status }) => status),
    Array.from({ length: 12 }, () => 200),
  );
  assert.equal(broker.metrics().inFlightBytes, 0);
});

test("a client that goes while it waits for the budget takes nothing", async (t) => {
  const { app, broker } = await testApp(t, { inFlightBytes: 1000 });
  await broker.createTopic("events");
  const release = await broker.reserve(1000);
  const gone = new AbortController();
  const request = new Request(`http://test${path}`, {
    method: "POST",
    body: record(100),
    headers: { ...json, "content-length": "100" },
    signal: gone.signal,
  });
  const answer = app.fetch(request);
  gone.abort();
  assert.equal((await answer).status, 499);
  release();
  assert.equal(broker.metrics().inFlightBytes, 0);
  assert.equal(broker.offsets("events", 0).latest, 0);
});

test("a request that can never fit the budget is too large", async (t) => {
  const { send, broker } = await testApp(t, { inFlightBytes: 1000 });
  await broker.createTopic("events");
  const response = await send("POST", path, record(2000), { ...json, "content-length": "2000" });
  assert.equal(response.status, 413);
});

test("the body of a refused request is read past, so that the next request finds its place", async (t) => {
  const { send } = await testApp(t, { maxRequestBytes: 1000 });
  for (const [method, to, headers] of [
    ["POST", path, { "content-type": "text/plain" }],
    ["POST", path, { ...json, "content-length": "1800" }],
    ["POST", path, json],
    ["POST", "/v1/nowhere", json],
    ["PUT", "/v1/topics", json],
    ["POST", `${path}?acks=some`, json],
  ] as const) {
    let pieces = 18;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (pieces === 0) return controller.close();
          pieces -= 1;
          controller.enqueue(new Uint8Array(100));
        },
      },
      { highWaterMark: 0 },
    );
    const response = await send(method, to, body, headers);
    assert.ok(response.status >= 400);
    assert.equal(pieces, 0, `${method} ${to}`);
  }
});

test("a refused body is not read past without end", async (t) => {
  const { send } = await testApp(t, { maxRequestBytes: 1000 });
  let sentBytes = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sentBytes += 100;
      controller.enqueue(new Uint8Array(100));
    },
  });
  assert.equal((await send("POST", path, endless, json)).status, 413);
  assert.ok(sentBytes < 5000, `${sentBytes}`);
});

test("a body that falls silent gives its share of the budget back", async (t) => {
  const clock = new ManualClock();
  const { send, broker } = await testApp(t, { clock, maxRequestBytes: 200_000, inFlightBytes: 200_000 });
  await broker.createTopic("events");
  for (const headers of [{ ...json, "content-length": "150000" }, json]) {
    const body = new PushedBody();
    const answer = send("POST", path, body.stream, headers);
    body.push(record(150_000).slice(0, 70_000));
    await drain();
    assert.ok(broker.metrics().inFlightBytes >= 150_000);
    await clock.advance(9_000);
    body.push("x");
    await drain();
    await clock.advance(9_000);
    assert.ok(broker.metrics().inFlightBytes >= 150_000, "it was not silent for 10 s");
    await clock.advance(1_000);
    assert.equal(broker.metrics().inFlightBytes, 0);
    await clock.advance(1_000);
    const response = await answer;
    assert.equal(response.status, 400);
    assert.match((await problemOf(response)).detail, /no byte of the body came for 10 s; nothing was appended/);
  }
  // A small one holds nothing, and is refused all the same.
  const small = send("POST", path, new PushedBody().stream, { ...json, "content-length": "100" });
  await drain();
  assert.equal(broker.metrics().inFlightBytes, 0);
  await clock.advance(30_000);
  assert.match((await problemOf(await small)).detail, /not whole after 30 s/);
  assert.equal(broker.offsets("events", 0).latest, 0);
});

test("a stream may be silent, but not with a share of the budget in its hands", async (t) => {
  const clock = new ManualClock();
  const { send, broker } = await testApp(t, { clock, maxRequestBytes: 200_000, inFlightBytes: 200_000 });
  await broker.createTopic("events");
  const body = new PushedBody();
  const reading = new Reading(await send("POST", path, body.stream, { "content-type": "application/x-ndjson" }));
  await clock.advance(60_000);
  body.push('{"value":"a"}\n');
  await reading.until((text) => text.includes("\n"));
  body.push(`{"value":"${"x".repeat(100_000)}`);
  await drain();
  assert.equal(broker.metrics().inFlightBytes, 200_000);
  await clock.advance(10_000);
  assert.equal(broker.metrics().inFlightBytes, 0);
  assert.match(await reading.rest(), /"offset":0.*\n.*INVALID_REQUEST.*no byte came for 10 s/);
});

test("a body for which there is no room for long is told to come back", async (t) => {
  const clock = new ManualClock();
  const { send, broker } = await testApp(t, { clock, inFlightBytes: 100_000 });
  await broker.createTopic("events");
  const release = await broker.reserve(100_000);
  const answers = [100, 80_000].map((size) =>
    send("POST", path, record(size), { ...json, "content-length": String(size) }),
  );
  await drain();
  await clock.advance(10_000);
  await clock.advance(1_000);
  for (const response of await Promise.all(answers)) {
    assert.equal(response.status, 429);
    assert.equal(response.headers.get("retry-after"), "1");
    assert.equal((await problemOf(response)).code, "THROTTLING_QUOTA_EXCEEDED");
  }
  release();
  assert.equal(broker.metrics().inFlightBytes, 0);
  assert.equal((await send("POST", path, record(100), { ...json, "content-length": "100" })).status, 200);
});
