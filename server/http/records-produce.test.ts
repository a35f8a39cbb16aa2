import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Broker,
  createTwinKernel,
  MoldauError,
  type ProduceResult,
  type RecordToEncode,
} from "../../engine/index.ts";
import { json, problemOf, testApp } from "./app.test.support.ts";
import { decodeCbor, encodeCbor } from "./records-cbor.ts";

const kernel = createTwinKernel();
const utf8 = new TextEncoder();
const raw = { "content-type": "application/vnd.kafka.record-batch" };
const one = "/v1/topics/events/partitions/0/records";

function batchOf(
  values: readonly string[],
  producer?: { producerId: number; producerEpoch: number; baseSequence: number },
): Uint8Array {
  const records = values.map(
    (value): RecordToEncode => ({ key: null, value: utf8.encode(value), headers: [], timestamp: 1_767_000_000_000 }),
  );
  return kernel.encodeBatch(records, producer).slice();
}

async function valuesIn(broker: Broker, topic = "events", partition = 0): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of broker.read(topic, { partition }))
    values.push(value === null ? null : new TextDecoder().decode(value));
  return values;
}

test("results come one a record, in the request's order; a key always meets the same partition", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events", { partitions: 3 });
  const records = Array.from({ length: 30 }, (_, at) => ({ key: `user-${at % 5}`, value: `v${at}` }));
  const response = await send("POST", "/v1/topics/events/records", { records, acks: "all" });
  assert.equal(response.status, 200);
  const { results } = (await response.json()) as {
    results: { partition: number; offset: number; timestamp: number }[];
  };
  assert.equal(results.length, 30);
  for (const [at, { partition, offset, timestamp }] of results.entries()) {
    const { records: found } = await broker.fetchRecords("events", partition, { offset, limit: 1 });
    assert.equal(new TextDecoder().decode(found[0]!.value!), `v${at}`);
    assert.equal(found[0]!.timestamp, timestamp);
    assert.equal(partition, results[at % 5]!.partition);
  }
});

test("JSON, CBOR and raw batches append the same bytes", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const inJson = {
    records: [
      {
        key: "k",
        value: { base64: "AP8=" },
        headers: [
          ["h", "x"],
          ["n", null],
        ],
        timestamp: 7,
      },
    ],
  };
  const inCbor = {
    records: [
      {
        key: utf8.encode("k"),
        value: new Uint8Array([0, 255]),
        headers: [
          ["h", utf8.encode("x")],
          ["n", null],
        ],
        timestamp: 7n,
      },
    ],
  };
  const batch = kernel
    .encodeBatch([
      {
        key: utf8.encode("k"),
        value: new Uint8Array([0, 255]),
        headers: [
          [utf8.encode("h"), utf8.encode("x")],
          [utf8.encode("n"), null],
        ],
        timestamp: 7,
      },
    ])
    .slice();
  assert.equal((await send("POST", one, inJson)).status, 200);
  const cbor = await send("POST", one, encodeCbor(inCbor), { "content-type": "application/cbor" });
  assert.equal(cbor.headers.get("content-type"), "application/cbor");
  assert.deepEqual(decodeCbor(new Uint8Array(await cbor.arrayBuffer()), "it"), {
    results: [{ partition: 0, offset: 1, timestamp: 7 }],
  });
  const appended = await send("POST", one, batch, raw);
  assert.deepEqual(await appended.json(), {
    partition: 0,
    baseOffset: 2,
    lastOffset: 2,
    logAppendTime: -1,
    logStartOffset: 0,
    duplicate: false,
  });
  assert.equal(appended.headers.get("etag"), '"3"');
  const { records } = await broker.fetchRecords("events", 0, { offset: 0 });
  const plain = records.map(({ offset: _, ...record }) =>
    JSON.stringify(record, (_key, value) => (value instanceof Uint8Array ? [...value] : value)),
  );
  assert.equal(new Set(plain).size, 1, plain.join("\n"));
});

test("an answer is in the form that Accept asks for; what cannot be answered is not appended", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const body = { records: [{ value: "a" }] };
  const asked = await send("POST", one, body, { ...json, accept: "application/cbor" });
  assert.deepEqual(decodeCbor(new Uint8Array(await asked.arrayBuffer()), "it"), {
    results: [
      {
        partition: 0,
        offset: 0,
        timestamp: (await broker.fetchRecords("events", 0, { offset: 0 })).records[0]!.timestamp,
      },
    ],
  });
  const refused = await send("POST", one, body, { ...json, accept: "text/html" });
  assert.equal(refused.status, 406);
  assert.equal((await problemOf(refused)).code, "NOT_ACCEPTABLE");
  assert.equal(broker.offsets("events", 0).latest, 1);
});

test("acks come from the body, else from the query", async (t) => {
  const { broker } = await testApp(t);
  await broker.createTopic("events");
  const seen: unknown[] = [];
  const spy = new Proxy(broker, {
    get(target, member) {
      if (member === "produce")
        return (...args: Parameters<Broker["produce"]>) => (seen.push(args[2]), target.produce(...args));
      if (member === "appendBatches")
        return (...args: Parameters<Broker["appendBatches"]>) => (seen.push(args[3]), target.appendBatches(...args));
      const value = Reflect.get(target, member) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const { send } = await testApp(t, { broker: spy });
  await send("POST", "/v1/topics/events/records?acks=leader", { records: [{}] });
  await send("POST", `${one}?acks=leader&timeoutMs=5000`, { records: [{}], acks: "none" });
  await send("POST", `${one}?acks=none`, batchOf(["a"]), raw);
  await send("POST", one, { records: [{}] });
  assert.deepEqual(seen, [
    { acks: "leader" },
    { acks: "none", timeoutMs: 5000, partition: 0 },
    { acks: "none" },
    { partition: 0 },
  ]);
});

test("an idempotent request is one batch: sent again it has its first offset, a gap and an old epoch are refused", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const { producerId, producerEpoch } = (await (await send("POST", "/v1/producers")).json()) as {
    producerId: number;
    producerEpoch: number;
  };
  assert.equal(producerEpoch, 0);
  const stamp = (sequence: number, epoch = 0): Record<string, string> => ({
    ...json,
    "producer-id": `${producerId}`,
    "producer-epoch": `${epoch}`,
    "producer-seq": `${sequence}`,
  });
  const body = { records: [{ value: "a" }, { value: "b" }] };
  const first = await send("POST", one, body, stamp(0));
  assert.deepEqual(
    ((await first.json()) as { results: { offset: number }[] }).results.map(({ offset }) => offset),
    [0, 1],
  );
  assert.equal(first.headers.get("etag"), '"2"');
  const again = await send("POST", one, body, stamp(0));
  assert.equal(again.status, 200);
  const { results } = (await again.json()) as { results: { offset: number; duplicate?: boolean }[] };
  assert.deepEqual(
    results.map(({ offset, duplicate }) => [offset, duplicate]),
    [
      [0, true],
      [1, true],
    ],
  );
  assert.equal(again.headers.get("etag"), null);
  const gap = await send("POST", one, body, stamp(7));
  assert.equal(gap.status, 409);
  assert.equal((await problemOf(gap)).code, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  assert.equal((await send("POST", one, body, stamp(0, 1))).status, 200);
  const old = await send("POST", one, body, stamp(2));
  assert.equal((await problemOf(old)).code, "INVALID_PRODUCER_EPOCH");
  assert.equal(old.status, 409);
  assert.equal(broker.offsets("events", 0).latest, 4);
  const batch = batchOf(["c"], { producerId, producerEpoch: 1, baseSequence: 2 });
  assert.equal(((await (await send("POST", one, batch, raw)).json()) as { duplicate: boolean }).duplicate, false);
  assert.equal(
    ((await (await send("POST", one, batch, raw)).json()) as { duplicate: boolean; baseOffset: number }).duplicate,
    true,
  );
  assert.deepEqual(await valuesIn(broker), ["a", "b", "a", "b", "c"]);
});

test("producer headers and If-Match are refused where they mean nothing", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const stamp = { "producer-id": "1", "producer-epoch": "0", "producer-seq": "0" };
  const body = { records: [{ value: "a" }] };
  const refused: [string, unknown, Record<string, string>, RegExp][] = [
    ["/v1/topics/events/records", body, { ...json, ...stamp }, /producer-id: only the route of one partition/],
    ["/v1/topics/events/records", body, { ...json, "if-match": '"0"' }, /if-match: only the route of one partition/],
    [one, batchOf(["a"]), { ...raw, ...stamp }, /producer-id: raw batches carry/],
    [one, '{"value":"a"}', { "content-type": "application/x-ndjson", ...stamp }, /producer-id: a streaming body/],
    [one, '{"value":"a"}', { "content-type": "application/x-ndjson", "if-match": '"0"' }, /if-match: a streaming body/],
    [one, body, { ...json, "producer-id": "1" }, /producer-epoch is missing/],
    [one, body, { ...json, "producer-epoch": "1", "producer-seq": "1" }, /producer-id is missing/],
    [one, body, { ...json, ...stamp, "producer-id": "-1" }, /producer-id: .* below 0/],
    [one, body, { ...json, ...stamp, "producer-id": "9007199254740993" }, /producer-id: .*2\^53-1/],
    [one, body, { ...json, ...stamp, "producer-epoch": "32768" }, /producer-epoch: .* over 32767/],
    [one, body, { ...json, ...stamp, "producer-seq": "2147483648" }, /producer-seq: .* over 2147483647/],
    [one, body, { ...json, ...stamp, "producer-seq": "x" }, /producer-seq: "x" is not a whole number/],
    [one, body, { ...json, "if-match": "0" }, /if-match: .* in quotes/],
    [one, body, { ...json, "if-match": "*" }, /if-match: .* in quotes/],
    [one, body, { ...json, "if-match": '"-1"' }, /if-match: .* below 0/],
    [one, body, { ...json, "if-match": '"9007199254740992"' }, /if-match: .*2\^53-1/],
  ];
  for (const [path, sent, headers, detail] of refused) {
    const problem = await problemOf(await send("POST", path, sent, headers));
    assert.equal(problem.code, "INVALID_REQUEST", problem.detail);
    assert.match(problem.detail, detail);
  }
  assert.equal(broker.offsets("events", 0).latest, 0);
});

test("a conditional append lands only at the end it expects; the problem says where that is", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const ok = await send("POST", one, { records: [{ value: "a" }, { value: "b" }] }, { ...json, "if-match": '"0"' });
  assert.equal(ok.status, 200);
  const etag = ok.headers.get("etag")!;
  assert.equal(etag, '"2"');
  for (const [body, headers] of [
    [{ records: [{ value: "c" }] }, json],
    [batchOf(["c"]), raw],
  ] as const) {
    const refused = await send("POST", one, body, { ...headers, "if-match": '"0"' });
    assert.equal(refused.status, 412);
    assert.equal(refused.headers.get("etag"), etag);
    const problem = await problemOf(refused);
    assert.equal(problem.code, "OFFSET_MISMATCH");
    assert.equal(problem["logEndOffset"], 2);
    assert.equal(problem["effect"], "none");
  }
  const many = await Promise.all(
    Array.from({ length: 20 }, () => send("POST", one, { records: [{ value: "won" }] }, { ...json, "if-match": etag })),
  );
  assert.deepEqual(many.map(({ status }) => status).sort(), [200, ...Array.from({ length: 19 }, () => 412)]);
  assert.equal((await send("POST", one, batchOf(["r"]), { ...raw, "if-match": '"3"' })).status, 200);
  assert.deepEqual(await valuesIn(broker), ["a", "b", "won", "r"]);
});

test("207 keeps failures in their places; when all failed alike it is their problem", async (t) => {
  const { broker } = await testApp(t);
  await broker.createTopic("events", { partitions: 2 });
  const storage = new MoldauError("KAFKA_STORAGE_ERROR", "no space");
  const lost = new MoldauError("KAFKA_STORAGE_ERROR", "sync failed", { effect: "unknown" });
  const receipt = { partition: 1, offset: 9, timestamp: 5, duplicate: false };
  let results: ProduceResult[] = [];
  const failing = new Proxy(broker, {
    get: (target, member) => (member === "produce" ? async () => results : bound(target, member)),
  });
  const { send } = await testApp(t, { broker: failing });
  const post = (accept = "application/json"): Promise<Response> =>
    send("POST", "/v1/topics/events/records", { records: [{}, {}, {}] }, { ...json, accept });

  results = [{ error: storage }, receipt, { error: storage }];
  const partly = await post();
  assert.equal(partly.status, 207);
  const error = { code: "KAFKA_STORAGE_ERROR", retriable: true, effect: "none", detail: "no space" };
  const expected = { results: [{ error }, { partition: 1, offset: 9, timestamp: 5 }, { error }] };
  assert.deepEqual(await partly.json(), expected);
  const inCbor = await post("application/cbor");
  assert.equal(inCbor.status, 207);
  assert.deepEqual(decodeCbor(new Uint8Array(await inCbor.arrayBuffer()), "it"), expected);

  results = [{ error: storage }, { error: lost }, { error: storage }];
  const all = await post();
  assert.equal(all.status, 503);
  assert.equal(all.headers.get("retry-after"), "1");
  const problem = await problemOf(all);
  assert.equal(problem.code, "KAFKA_STORAGE_ERROR");
  assert.equal(problem["effect"], "unknown");

  results = [{ error: storage }, { error: new MoldauError("LEADER_NOT_AVAILABLE", "offline") }, { error: storage }];
  assert.equal((await post()).status, 207);
});

function bound(target: object, member: string | symbol): unknown {
  const value = Reflect.get(target, member) as unknown;
  return typeof value === "function" ? value.bind(target) : value;
}

test("a bad body appends nothing and says why", async (t) => {
  const { send, broker } = await testApp(t, { maxRequestBytes: 2_000_000 });
  await broker.createTopic("events", { configs: { "max.message.bytes": 100_000 } });
  const topic = "/v1/topics/events/records";
  const good = batchOf(["a", "b"]);
  const patched = (position: number, ...bytes: number[]): Uint8Array => {
    const batch = good.slice();
    batch.set(bytes, position);
    return batch;
  };
  const cbor = { "content-type": "application/cbor" };
  const refused: [string, string, unknown, Record<string, string>, number, string][] = [
    ["not JSON", topic, "{", json, 400, "INVALID_REQUEST"],
    ["not UTF-8", topic, new Uint8Array([0x7b, 0xff, 0x7d]), json, 400, "INVALID_REQUEST"],
    ["an empty body", topic, "", json, 400, "INVALID_REQUEST"],
    ["no records", topic, { records: [] }, json, 400, "INVALID_REQUEST"],
    ["broken CBOR", topic, new Uint8Array([0xa1, 0x61]), cbor, 400, "INVALID_REQUEST"],
    ["no content type", topic, new Uint8Array([1]), {}, 415, "UNSUPPORTED_MEDIA_TYPE"],
    [
      "a form's content type",
      topic,
      "a=b",
      { "content-type": "application/x-www-form-urlencoded" },
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    ],
    ["raw batches to no partition", topic, good, raw, 415, "UNSUPPORTED_MEDIA_TYPE"],
    ["a compressed body", topic, "x", { ...json, "content-encoding": "gzip" }, 415, "UNSUPPORTED_MEDIA_TYPE"],
    ["an unknown topic", "/v1/topics/nope/records", { records: [{}] }, json, 404, "UNKNOWN_TOPIC_OR_PARTITION"],
    [
      "an unknown partition",
      "/v1/topics/events/partitions/9/records",
      { records: [{}] },
      json,
      404,
      "UNKNOWN_TOPIC_OR_PARTITION",
    ],
    [
      "no partition's number",
      "/v1/topics/events/partitions/x/records",
      { records: [{}] },
      json,
      400,
      "INVALID_REQUEST",
    ],
    [
      "a negative partition",
      "/v1/topics/events/partitions/-1/records",
      { records: [{}] },
      json,
      400,
      "INVALID_REQUEST",
    ],
    ["a record of another partition", one, { records: [{}, { partition: 1 }] }, json, 400, "INVALID_REQUEST"],
    [
      "a record of an unknown partition",
      topic,
      { records: [{ partition: 7 }] },
      json,
      404,
      "UNKNOWN_TOPIC_OR_PARTITION",
    ],
    ["a negative timestamp", topic, { records: [{ timestamp: -2 }] }, json, 400, "INVALID_TIMESTAMP"],
    ["acks nobody knows", `${topic}?acks=some`, { records: [{}] }, json, 400, "INVALID_REQUEST"],
    ["a query twice", `${topic}?acks=all&acks=none`, { records: [{}] }, json, 400, "INVALID_REQUEST"],
    ["a negative timeout", `${topic}?timeoutMs=-1`, { records: [{}] }, json, 400, "INVALID_REQUEST"],
    [
      "a record over the topic's limit",
      topic,
      { records: [{ value: "x".repeat(100_001) }] },
      json,
      413,
      "MESSAGE_TOO_LARGE",
    ],
    [
      "a request over the server's limit",
      topic,
      { records: [{ value: "x".repeat(2_000_000) }] },
      json,
      413,
      "MESSAGE_TOO_LARGE",
    ],
    ["an empty raw body", one, new Uint8Array(0), raw, 400, "INVALID_REQUEST"],
    ["a torn header", one, good.subarray(0, 30), raw, 400, "CORRUPT_MESSAGE"],
    ["a torn batch", one, good.subarray(0, good.length - 1), raw, 400, "CORRUPT_MESSAGE"],
    ["bytes behind the batch", one, new Uint8Array([...good, 0]), raw, 400, "CORRUPT_MESSAGE"],
    ["a bad CRC", one, patched(good.length - 1, 0x55), raw, 400, "CORRUPT_MESSAGE"],
    ["a CRC of nought", one, patched(17, 0, 0, 0, 0), raw, 400, "CORRUPT_MESSAGE"],
    ["an old magic", one, patched(16, 1), raw, 400, "UNSUPPORTED_FOR_MESSAGE_FORMAT"],
    ["a negative length", one, patched(8, 0xff), raw, 400, "CORRUPT_MESSAGE"],
    ["a raw batch over the topic's limit", one, batchOf(["x".repeat(100_001)]), raw, 413, "MESSAGE_TOO_LARGE"],
  ];
  for (const [what, path, body, headers, status, code] of refused) {
    const response = await send("POST", path, body, headers);
    const problem = await problemOf(response);
    assert.deepEqual([response.status, problem.code], [status, code], `${what}: ${problem.detail}`);
    assert.equal(problem["effect"], "none", what);
  }
  assert.equal(broker.offsets("events", 0).latest, 0);
  assert.equal(broker.metrics().inFlightBytes, 0);
  assert.equal((await send("POST", one, good, raw)).status, 200);
});

test("counts that do not match and varints that overrun are refused with a good CRC, too", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const good = batchOf(["a", "b"]);
  const resealed = (patch: (view: DataView) => void): Uint8Array => {
    const batch = good.slice();
    const view = new DataView(batch.buffer);
    patch(view);
    view.setUint32(17, kernel.crc32c(batch.subarray(21)));
    return batch;
  };
  const bad: Record<string, Uint8Array> = {
    "a negative count": resealed((view) => view.setInt32(57, -1)),
    "a count that does not match": resealed((view) => view.setInt32(57, 3)),
    "a last offset delta that does not match": resealed((view) => view.setInt32(23, 5)),
    "a varint that overruns": resealed((view) => view.setUint32(61, 0xffffffff)),
  };
  for (const [what, batch] of Object.entries(bad)) {
    const response = await send("POST", one, batch, raw);
    const problem = await problemOf(response);
    assert.equal(response.status, 400, what);
    assert.ok(
      ["CORRUPT_MESSAGE", "INVALID_RECORD"].includes(problem.code),
      `${what}: ${problem.code} ${problem.detail}`,
    );
  }
  assert.equal(broker.offsets("events", 0).latest, 0);
  assert.equal(
    (
      await send(
        "POST",
        one,
        resealed(() => {}),
        raw,
      )
    ).status,
    200,
  );
});
