import assert from "node:assert/strict";
import { test } from "node:test";
import { type Broker, MoldauError } from "../../engine/index.ts";
import { PushedBody, problemOf, Reading, testApp } from "./app.test.support.ts";
import { concat } from "./body.ts";
import { decodeCbor, encodeCbor } from "./records-cbor.ts";
import { CborSplitter } from "./stream-items.ts";

const topic = "/v1/topics/events/records";
const one = "/v1/topics/events/partitions/0/records";
const ndjson = { "content-type": "application/x-ndjson" };
const cborSequence = { "content-type": "application/cbor-seq" };

type Line =
  | { partition: number; offset: number; error?: undefined }
  | { error: { code: string; detail: string }; offset?: undefined };
const linesOf = (text: string): Line[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);

async function values(broker: Broker, partition = 0): Promise<string[]> {
  const found: string[] = [];
  for await (const { value } of broker.read("events", { partition }))
    found.push(new TextDecoder().decode(value ?? new Uint8Array(0)));
  return found;
}

test("lines are acknowledged while the body is still being sent", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const body = new PushedBody();
  const response = await send("POST", one, body.stream, ndjson);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/x-ndjson");
  const reading = new Reading(response);
  for (let at = 0; at < 5; at += 1) {
    body.push(`{"value":"v${at}"}\n`);
    const lines = linesOf(await reading.until((text) => text.split("\n").length > at + 1));
    assert.deepEqual(lines.at(-1), {
      partition: 0,
      offset: at,
      timestamp: (lines.at(-1) as { timestamp?: number }).timestamp,
    });
    assert.equal(broker.offsets("events", 0).latest, at + 1);
  }
  body.push('{"value":"cut i');
  body.push('n two"}');
  body.end();
  assert.equal(linesOf(await reading.rest()).length, 6);
  assert.deepEqual(await values(broker), ["v0", "v1", "v2", "v3", "v4", "cut in two"]);
});

test("a wrong line gets an error of its own, in its place, and the stream goes on", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events", { configs: { "max.message.bytes": 50_000 } });
  const lines = [
    '{"value":"a"}',
    "nope",
    '{"value":7}',
    "",
    '{"value":"b"}',
    '{"value":"c","partition":1}',
    "[1]",
    '{"vlaue":"x"}',
    `{"value":"${"x".repeat(60_000)}"}`,
    '{"timestamp":-5}',
    '{"value":"c","timestamp":9007199254740991}',
    '{"value":"d"}\r',
    `{"value":"${"x".repeat(60_000)}"}`,
    '{"value":"e"}',
    '{"value":"f"}',
  ];
  const response = await send("POST", one, lines.join("\n"), ndjson);
  const results = linesOf(await response.text());
  assert.deepEqual(
    results.map(({ offset, error }) => offset ?? error.code),
    [
      0,
      "INVALID_REQUEST",
      "INVALID_REQUEST",
      1,
      "INVALID_REQUEST",
      "INVALID_REQUEST",
      "INVALID_REQUEST",
      "MESSAGE_TOO_LARGE",
      "INVALID_TIMESTAMP",
      "INVALID_TIMESTAMP",
      2,
      "MESSAGE_TOO_LARGE",
      3,
      4,
    ],
  );
  assert.match(results[1]!.error!.detail, /line 2/);
  assert.deepEqual(await values(broker), ["a", "b", "d", "e", "f"]);
});

test("many lines in chunks of any size keep their order, and every one is answered", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events", { configs: { "max.message.bytes": 3000 } });
  const count = 3000;
  const text = Array.from({ length: count }, (_, at) => `{"value":"${at}${"-".repeat(at % 90)}"}\n`).join("");
  const body = new PushedBody();
  const response = send("POST", one, body.stream, ndjson);
  for (let from = 0, size = 1; from < text.length; size = (size * 7 + 13) % 9000) {
    body.push(text.slice(from, from + size));
    from += size;
  }
  body.end();
  const results = linesOf(await new Reading(await response).rest());
  assert.deepEqual(
    results.map(({ offset }) => offset),
    Array.from({ length: count }, (_, at) => at),
  );
  assert.deepEqual(
    (await values(broker)).map((value) => Number.parseInt(value, 10)),
    Array.from({ length: count }, (_, at) => at),
  );
  assert.equal(broker.metrics().inFlightBytes, 0);
});

test("chunks of several batches each do not overtake one another", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events", { configs: { "max.message.bytes": 1000 } });
  const body = new PushedBody();
  const response = send("POST", one, body.stream, ndjson);
  for (let chunk = 0; chunk < 5; chunk += 1) {
    body.push(Array.from({ length: 20 }, (_, at) => `{"value":"${chunk * 20 + at}${"-".repeat(300)}"}\n`).join(""));
  }
  body.end();
  const inOrder = Array.from({ length: 100 }, (_, at) => at);
  assert.deepEqual(
    linesOf(await new Reading(await response).rest()).map(({ offset }) => offset),
    inOrder,
  );
  assert.deepEqual(
    (await values(broker)).map((value) => Number.parseInt(value, 10)),
    inOrder,
  );
});

test("on a topic's route each line finds its partition", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events", { partitions: 3 });
  const text = Array.from({ length: 60 }, (_, at) =>
    JSON.stringify(at % 2 ? { key: `k${at % 5}`, value: `${at}` } : { partition: at % 3, value: `${at}` }),
  ).join("\n");
  const results = linesOf(await (await send("POST", topic, text, ndjson)).text()) as {
    partition: number;
    offset: number;
  }[];
  for (const [at, { partition, offset }] of results.entries()) {
    const { records } = await broker.fetchRecords("events", partition, { offset, limit: 1 });
    assert.equal(new TextDecoder().decode(records[0]!.value!), `${at}`);
    if (at % 2 === 0) assert.equal(partition, at % 3);
  }
});

test("a CBOR sequence is answered by one, item by item, cut anywhere", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const items = [
    { value: new Uint8Array([1, 2]) },
    { value: "text", key: null },
    { nope: 1 },
    7,
    { value: new Uint8Array(30_000), headers: [["h", null]] },
    {},
  ].map(encodeCbor);
  const whole = concat(
    items,
    items.reduce((sum, { length }) => sum + length, 0),
  );
  for (const size of [1, 7, 1000, whole.length]) {
    const body = new PushedBody();
    const answer = send("POST", one, body.stream, cborSequence);
    for (let from = 0; from < whole.length; from += size === 1 && from > 100 ? 5000 : size)
      body.push(whole.slice(from, from + (size === 1 && from > 100 ? 5000 : size)));
    body.end();
    const response = await answer;
    assert.equal(response.headers.get("content-type"), "application/cbor-seq");
    const found: unknown[] = [];
    let rest = new Uint8Array(await response.arrayBuffer());
    while (rest.length > 0) {
      const splitter = new CborSplitter();
      let at = 1;
      while (splitter.push(rest.slice(at - 1, at)).length === 0) at += 1;
      found.push(decodeCbor(rest.slice(0, at), "it"));
      rest = rest.slice(at);
    }
    assert.deepEqual(
      found.map((line) => (line as Line).error?.code ?? "ok"),
      ["ok", "ok", "INVALID_REQUEST", "INVALID_REQUEST", "ok", "ok"],
      `${size}`,
    );
  }
  assert.equal(broker.offsets("events", 0).latest, 16);
  const { records } = await broker.fetchRecords("events", 0, { offset: 0, limit: 3 });
  assert.deepEqual([...records[0]!.value!], [1, 2]);
  assert.equal(records[2]!.value!.length, 30_000);
});

test("bytes that are no CBOR end the stream with an error; what came before is appended", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const good = encodeCbor({ value: "a" });
  for (const bad of [[0xc1, 0x01], [0xff], [0x61]]) {
    const response = await send("POST", one, new Uint8Array([...good, ...bad]), {
      ...cborSequence,
      accept: "application/x-ndjson",
    });
    const results = linesOf(await response.text());
    assert.equal(results.length, 2, JSON.stringify(results));
    assert.equal(results[1]!.error?.code, "INVALID_REQUEST");
    assert.match(results[1]!.error!.detail, /item 2/);
  }
  assert.equal(broker.offsets("events", 0).latest, 3);
});

test("a line over the limit ends the stream with an error, whole or not", async (t) => {
  const { send, broker } = await testApp(t, { maxRequestBytes: 100_000 });
  await broker.createTopic("events");
  const long = `{"value":"${"x".repeat(100_000)}"}`;
  for (const text of [`{"value":"a"}\n${long}\n{"value":"b"}\n`, `{"value":"a"}\n${long}`]) {
    const body = new PushedBody();
    const answer = send("POST", one, body.stream, ndjson);
    for (let from = 0; from < text.length; from += 30_000) body.push(text.slice(from, from + 30_000));
    const results = linesOf(await new Reading(await answer).rest());
    assert.deepEqual(
      results.map(({ error }) => error?.code),
      [undefined, "MESSAGE_TOO_LARGE"],
    );
  }
  assert.equal(broker.offsets("events", 0).latest, 2);
  assert.equal(broker.metrics().inFlightBytes, 0);
});

test("a body that breaks off keeps what was whole and drops what was not", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const body = new PushedBody();
  const reading = new Reading(await send("POST", one, body.stream, ndjson));
  body.push('{"value":"a"}\n{"value":"b"}');
  await reading.until((text) => text.includes("\n"));
  body.breakOff();
  const results = linesOf(await reading.rest());
  assert.deepEqual(
    results.map(({ error }) => error?.code),
    [undefined, "INVALID_REQUEST"],
  );
  assert.deepEqual(await values(broker), ["a"]);
});

test("what can be refused before the stream is a problem with its status", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const refused: [string, string | undefined, Record<string, string>, number][] = [
    ["/v1/topics/nope/records", "{}", ndjson, 404],
    ["/v1/topics/events/partitions/1/records", "{}", ndjson, 404],
    [one, "{}", { ...ndjson, accept: "application/json" }, 406],
    [`${one}?acks=maybe`, "{}", ndjson, 400],
    [one, undefined, ndjson, 400],
  ];
  for (const [path, body, headers, status] of refused) {
    const response = await send("POST", path, body, headers);
    assert.equal(response.status, status, path);
    await problemOf(response);
  }
});

test("an error of the broker goes to the lines it is about; a closing one ends the stream", async (t) => {
  const { broker } = await testApp(t);
  await broker.createTopic("events");
  let failure: MoldauError | null = new MoldauError("KAFKA_STORAGE_ERROR", "no space");
  const failing = new Proxy(broker, {
    get(target, member) {
      const value = Reflect.get(target, member) as unknown;
      if (member !== "produce") return typeof value === "function" ? value.bind(target) : value;
      return async (...args: Parameters<Broker["produce"]>) => {
        if (failure !== null) throw failure;
        return target.produce(...args);
      };
    },
  });
  const { send } = await testApp(t, { broker: failing });
  const body = new PushedBody();
  const reading = new Reading(await send("POST", one, body.stream, ndjson));
  body.push('{"value":"a"}\n{"value":"b"}\n');
  await reading.until((text) => text.split("\n").length > 2);
  failure = null;
  body.push('{"value":"c"}\n');
  await reading.until((text) => text.split("\n").length > 3);
  failure = new MoldauError("BROKER_CLOSED", "closing");
  body.push('{"value":"d"}\n');
  const results = linesOf(await reading.rest());
  assert.deepEqual(
    results.map(({ error }) => error?.code),
    ["KAFKA_STORAGE_ERROR", "KAFKA_STORAGE_ERROR", undefined, "BROKER_CLOSED"],
  );
  assert.equal(broker.metrics().inFlightBytes, 0);
});

test("a client that does not read its answers is not read from without end, and one that goes is forgotten", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  let pulls = 0;
  const line = new TextEncoder().encode(`{"value":"${"x".repeat(1000)}"}\n`);
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulls += 1;
      controller.enqueue(line);
    },
  });
  const response = await send("POST", one, stream, ndjson);
  let before = -1;
  while (pulls > before) {
    before = pulls;
    for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  // 4 MiB under way, and what had come of the body while there was no more room.
  assert.ok(pulls * line.length < 5 * 1024 * 1024, `${pulls} lines read for nobody`);
  await response.body!.cancel();
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(pulls <= before + 2);
  assert.equal(broker.metrics().inFlightBytes, 0);
});
