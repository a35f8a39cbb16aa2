import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchHeader, type Broker } from "../../engine/index.ts";
import { json, problemOf, testApp } from "./app.test.support.ts";
import { decodeCbor } from "./records-cbor.ts";
import { CborSplitter } from "./stream-items.ts";

const path = "/v1/topics/events/partitions/0/records";
const raw = "application/vnd.kafka.record-batch";

interface Fetched {
  records: { offset: number; timestamp: number; value: unknown }[];
  logStartOffset: number;
  highWatermark: number;
  nextOffset: number;
}

async function fill(broker: Broker, count: number): Promise<void> {
  await broker.createTopic("events");
  for (let at = 0; at < count; at += 1) {
    await broker.produce(
      "events",
      [{ key: `k${at}`, value: `v${at}`, timestamp: 1000 + at * 10, headers: [["h", `${at}`]] }],
      { partition: 0 },
    );
  }
}

const bytesOf = async (response: Response): Promise<Uint8Array> => new Uint8Array(await response.arrayBuffer());

test("a fetch begins where it is told: earliest, latest, an offset, a time", async (t) => {
  const { get, broker } = await testApp(t);
  await fill(broker, 10);
  await broker.deleteRecords("events", 0, 2);
  const offsets = async (query: string): Promise<number[]> =>
    ((await (await get(`${path}${query}`)).json()) as Fetched).records.map(({ offset }) => offset);
  assert.deepEqual(await offsets(""), [2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(await offsets("?offset=earliest&limit=2"), [2, 3]);
  assert.deepEqual(await offsets("?offset=latest"), []);
  assert.deepEqual(await offsets("?offset=8"), [8, 9]);
  assert.deepEqual(await offsets("?offset=10"), []);
  assert.deepEqual(await offsets("?timestamp=1075"), [8, 9]);
  assert.deepEqual(await offsets("?timestamp=0&limit=1"), [2]);
  assert.deepEqual(await offsets("?timestamp=99999"), []);
  assert.deepEqual(await (await get(`${path}?offset=3&limit=2`)).json(), {
    records: [3, 4].map((at) => ({
      offset: at,
      timestamp: 1000 + at * 10,
      key: `k${at}`,
      value: `v${at}`,
      headers: [["h", `${at}`]],
    })),
    logStartOffset: 2,
    highWatermark: 10,
    nextOffset: 5,
  });
});

test("following nextOffset meets every record once, whatever the limits", async (t) => {
  const { get, broker } = await testApp(t);
  await broker.createTopic("events");
  await broker.produce(
    "events",
    Array.from({ length: 100 }, (_, at) => ({ value: `v${at}` })),
    { partition: 0 },
  );
  await broker.produce(
    "events",
    Array.from({ length: 50 }, (_, at) => ({ value: `v${100 + at}` })),
    { partition: 0 },
  );
  for (const limits of ["limit=7", "limit=1000&maxBytes=1", "limit=33&maxBytes=500"]) {
    const seen: unknown[] = [];
    for (let offset = 0; seen.length < 150; ) {
      const { records, nextOffset } = (await (await get(`${path}?offset=${offset}&${limits}`)).json()) as Fetched;
      assert.ok(nextOffset > offset);
      seen.push(...records.map(({ value }) => value));
      offset = nextOffset;
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 150 }, (_, at) => `v${at}`),
      limits,
    );
  }
});

test("every form holds the same records, and the three numbers", async (t) => {
  const { get, broker } = await testApp(t);
  await fill(broker, 5);
  const query = "?offset=2";
  const inJson = (await (await get(`${path}${query}`)).json()) as Fetched;
  const cbor = await get(`${path}${query}`, { accept: "application/cbor" });
  assert.equal(cbor.headers.get("content-type"), "application/cbor");
  const plain = (value: unknown): unknown =>
    JSON.parse(
      JSON.stringify(value, (_key, inner) =>
        inner instanceof Uint8Array || inner?.type === "Buffer"
          ? new TextDecoder().decode(Uint8Array.from(inner.data ?? inner))
          : inner,
      ),
    );
  assert.deepEqual(plain(decodeCbor(await bytesOf(cbor), "it")), inJson);

  const lines = await get(`${path}${query}`, { accept: "application/x-ndjson" });
  const text = await lines.text();
  assert.ok(text.endsWith("\n"));
  assert.deepEqual(
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line)),
    inJson.records,
  );

  const sequence = await get(`${path}${query}`, { accept: "application/cbor-seq" });
  const items = new CborSplitter().push(await bytesOf(sequence));
  assert.equal(items.length, 3);

  const batches = await get(`${path}${query}`, { accept: raw });
  const header = new BatchHeader(await bytesOf(batches));
  assert.ok(header.at(0));
  assert.equal(header.baseOffset, 2);
  for (const [form, response] of Object.entries({ lines, sequence, batches })) {
    assert.equal(response.headers.get("moldau-log-start-offset"), "0", form);
    assert.equal(response.headers.get("moldau-high-watermark"), "5", form);
    assert.equal(response.headers.get("moldau-next-offset"), "5", form);
  }
});

test("what was fetched in any form can be posted back in it", async (t) => {
  const { get, send, broker } = await testApp(t);
  await broker.createTopic("events");
  await broker.createTopic("copy");
  const odd = [
    { key: null, value: null },
    {
      key: new Uint8Array([0, 255]),
      value: '{"a":1}',
      headers: [
        ["h", null],
        ["b", new Uint8Array([254])],
        ["", "\ufeffx"],
      ] as [string, Uint8Array | string | null][],
    },
    { key: "", value: "\u{1f600}\n\0" },
  ];
  await broker.produce("events", odd, { partition: 0 });
  const forms = ["application/json", "application/cbor", raw, "application/x-ndjson", "application/cbor-seq"];
  for (const form of forms) {
    const fetched = await get(path, { accept: form });
    const body = await bytesOf(fetched);
    const posted = await send("POST", "/v1/topics/copy/partitions/0/records", body, { "content-type": form });
    assert.equal(posted.status, 200, form);
    await posted.text();
  }
  const comparable = async (topic: string): Promise<string[]> => {
    const { records } = await broker.fetchRecords(topic, 0, { offset: 0 });
    return records.map(({ offset: _, ...record }) =>
      JSON.stringify(record, (_key, value) => (value instanceof Uint8Array ? [...value] : value)),
    );
  };
  const original = await comparable("events");
  assert.deepEqual(
    await comparable("copy"),
    forms.flatMap(() => original),
  );
});

test("values= chooses how values are written", async (t) => {
  const { get, broker } = await testApp(t);
  await broker.createTopic("events");
  await broker.produce("events", [{ value: '{"a":1}' }, { value: "x" }, { value: new Uint8Array([255]) }, {}], {
    partition: 0,
  });
  const values = async (query: string, accept = "application/json"): Promise<unknown[]> => {
    const response = await get(`${path}${query}`, { accept });
    if (accept === "application/json") return ((await response.json()) as Fetched).records.map(({ value }) => value);
    return (await response.text())
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { value: unknown }).value);
  };
  assert.deepEqual(await values(""), ['{"a":1}', "x", { base64: "/w==" }, null]);
  assert.deepEqual(await values("?values=string"), ['{"a":1}', "x", { base64: "/w==" }, null]);
  assert.deepEqual(await values("?values=json"), [{ json: { a: 1 } }, "x", { base64: "/w==" }, null]);
  assert.deepEqual(await values("?values=json", "application/x-ndjson"), [
    { json: { a: 1 } },
    "x",
    { base64: "/w==" },
    null,
  ]);
  assert.deepEqual(await values("?values=base64"), [
    { base64: "eyJhIjoxfQ==" },
    { base64: "eA==" },
    { base64: "/w==" },
    null,
  ]);
});

test("a fetch that may wait is answered by the next record, in every form", async (t) => {
  const { get, broker } = await testApp(t);
  await broker.createTopic("events");
  for (const [at, accept] of ["application/json", raw, "application/x-ndjson"].entries()) {
    const waiting = get(`${path}?offset=latest&waitMs=60000`, { accept });
    while (broker.metrics().waitingFetches === 0) await new Promise((resolve) => setImmediate(resolve));
    await broker.produce("events", [{ value: `v${at}` }], { partition: 0 });
    const response = await waiting;
    assert.equal(response.status, 200);
    assert.ok((await bytesOf(response)).length > 0);
  }
  assert.deepEqual(((await (await get(`${path}?offset=latest&waitMs=1`)).json()) as Fetched).records, []);
});

test("a client that goes frees its wait", async (t) => {
  const { app, broker } = await testApp(t);
  await broker.createTopic("events");
  for (const accept of ["application/json", raw]) {
    const gone = new AbortController();
    const waiting = app.fetch(
      new Request(`http://test${path}?waitMs=300000`, { headers: { accept }, signal: gone.signal }),
    );
    while (broker.metrics().waitingFetches === 0) await new Promise((resolve) => setImmediate(resolve));
    gone.abort();
    assert.equal((await waiting).status, 499);
    assert.equal(broker.metrics().waitingFetches, 0);
  }
});

test("a bad fetch is refused, and says which parameter", async (t) => {
  const { get, broker } = await testApp(t);
  await fill(broker, 3);
  await broker.deleteRecords("events", 0, 1);
  const refused: [string, number, string, RegExp][] = [
    ["?offset=-1", 400, "INVALID_REQUEST", /offset: "-1" is below 0/],
    ["?offset=1.5", 400, "INVALID_REQUEST", /offset: "1.5" is not a whole number/],
    ["?offset=newest", 400, "INVALID_REQUEST", /offset: "newest"/],
    ["?offset=", 400, "INVALID_REQUEST", /offset/],
    ["?offset=9007199254740992", 400, "INVALID_REQUEST", /offset: .*2\^53-1/],
    ["?offset=99999999999999999999999", 400, "INVALID_REQUEST", /offset: .*2\^53-1/],
    ["?timestamp=-1", 400, "INVALID_REQUEST", /timestamp: "-1" is below 0/],
    ["?timestamp=2024-01-01", 400, "INVALID_REQUEST", /timestamp/],
    ["?offset=1&timestamp=1", 400, "INVALID_REQUEST", /offset and timestamp/],
    ["?limit=0", 400, "INVALID_REQUEST", /limit: "0" is below 1/],
    ["?limit=-5", 400, "INVALID_REQUEST", /limit/],
    ["?limit=10001", 400, "INVALID_REQUEST", /limit: "10001" is over 10000/],
    ["?maxBytes=0", 400, "INVALID_REQUEST", /maxBytes/],
    ["?maxBytes=16777217", 400, "INVALID_REQUEST", /maxBytes: .* over 16777216/],
    ["?waitMs=-1", 400, "INVALID_REQUEST", /waitMs/],
    ["?waitMs=300001", 400, "INVALID_REQUEST", /waitMs: .* over 300000/],
    ["?waitMs=0x10", 400, "INVALID_REQUEST", /waitMs/],
    ["?values=text", 400, "INVALID_REQUEST", /values/],
    ["?wait=5", 400, "INVALID_REQUEST", /wait/],
    ["?limit=1&limit=2", 400, "INVALID_REQUEST", /limit is given 2 times/],
    ["?offset=0", 416, "OFFSET_OUT_OF_RANGE", /0/],
    ["?offset=4", 416, "OFFSET_OUT_OF_RANGE", /4/],
    ["?offset=9007199254740991", 416, "OFFSET_OUT_OF_RANGE", /9007199254740991/],
  ];
  for (const accept of ["application/json", raw, "text/event-stream"]) {
    for (const [query, status, code, detail] of refused) {
      const response = await get(`${path}${query}`, { accept });
      const problem = await problemOf(response);
      assert.deepEqual([response.status, problem.code], [status, code], `${accept} ${query}: ${problem.detail}`);
      assert.match(problem.detail, detail);
      if (status === 416) assert.deepEqual([problem["logStartOffset"], problem["highWatermark"]], [1, 3]);
    }
  }
  for (const [missing, status] of [
    ["/v1/topics/nope/partitions/0/records", 404],
    ["/v1/topics/events/partitions/1/records", 404],
    ["/v1/topics/events/partitions/1x/records", 400],
  ] as const) {
    for (const accept of ["application/json", raw, "text/event-stream"])
      assert.equal((await get(missing, { accept })).status, status);
  }
});

test("offsets: earliest, latest, by time; records are deleted before one", async (t) => {
  const { get, send, broker } = await testApp(t);
  await fill(broker, 5);
  const offsets = "/v1/topics/events/partitions/0/offsets";
  const response = await get(offsets);
  assert.deepEqual(await response.json(), { earliest: 0, latest: 5 });
  assert.equal(response.headers.get("etag"), '"5"');
  assert.deepEqual(await (await get(`${offsets}?timestamp=1011`)).json(), { offset: 2, timestamp: 1020 });
  assert.deepEqual(await (await get(`${offsets}?timestamp=5000`)).json(), { offset: null, timestamp: null });
  assert.deepEqual(decodeCbor(await bytesOf(await get(offsets, { accept: "application/cbor" })), "it"), {
    earliest: 0,
    latest: 5,
  });
  assert.equal((await get("/v1/topics/events/partitions/7/offsets")).status, 404);
  assert.equal((await get(`${offsets}?timestamp=-1`)).status, 400);

  assert.deepEqual(await (await send("DELETE", `${path}?before=3`)).json(), { logStartOffset: 3 });
  assert.deepEqual(await (await get(offsets)).json(), { earliest: 3, latest: 5 });
  assert.deepEqual(await (await send("DELETE", `${path}?before=1`)).json(), { logStartOffset: 3 });
  const beyond = await send("DELETE", `${path}?before=6`);
  assert.equal(beyond.status, 416);
  assert.equal((await problemOf(beyond))["highWatermark"], 5);
  for (const query of ["", "?before=-1", "?before=all", "?before=9007199254740992"]) {
    const problem = await problemOf(await send("DELETE", `${path}${query}`));
    assert.equal(problem.code, "INVALID_REQUEST", query);
    assert.match(problem.detail, /before/);
  }
  assert.deepEqual(await (await send("DELETE", `${path}?before=latest`)).json(), { logStartOffset: 5 });
  assert.equal((await send("POST", path, { records: [{ value: "a" }] }, json)).status, 200);
});

test("an answer that is written out holds 4 MiB of batches at most, a raw one 8 MiB", async (t) => {
  const { get, broker } = await testApp(t);
  await broker.createTopic("events");
  for (let at = 0; at < 10; at += 1) await broker.produce("events", [{ value: new Uint8Array(1_000_000).fill(0x61) }]);
  const all = `${path}?maxBytes=16777216`;
  const fetched = (await (await get(all)).json()) as Fetched;
  assert.deepEqual([fetched.records.length, fetched.nextOffset], [4, 4]);
  const nextOffset = async (accept: string): Promise<string | null> => {
    const { headers, body } = await get(all, { accept });
    await body?.cancel(); // it holds memory until it is taken
    return headers.get("moldau-next-offset");
  };
  for (const accept of ["application/x-ndjson", "application/cbor-seq"])
    assert.equal(await nextOffset(accept), "4", accept);
  assert.equal(await nextOffset(raw), "8");
});
