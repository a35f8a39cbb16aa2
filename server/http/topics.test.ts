import assert from "node:assert/strict";
import { test } from "node:test";
import { problemOf, testApp } from "./app.test.support.ts";
import { decodeCbor, encodeCbor } from "./records-cbor.ts";

test("a topic is created once, described, listed, altered and deleted", async (t) => {
  const { send, get } = await testApp(t);
  const created = await send("PUT", "/v1/topics/events", { partitions: 3, configs: { "retention.ms": 604800000 } });
  assert.equal(created.status, 201);
  const topic = (await created.json()) as {
    name: string;
    id: string;
    partitions: { partition: number; state: string }[];
    configs: Record<string, unknown>;
  };
  assert.equal(topic.name, "events");
  assert.match(topic.id, /^[0-9a-f]{32}$/);
  assert.deepEqual(
    topic.partitions.map(({ partition, state }) => [partition, state]),
    [
      [0, "online"],
      [1, "online"],
      [2, "online"],
    ],
  );
  assert.deepEqual(topic.configs["retention.ms"], { value: "604800000", source: "topic" });
  assert.ok(!("existing" in topic));

  const again = await send("PUT", "/v1/topics/events", { partitions: 3, configs: { "retention.ms": 604800000 } });
  assert.equal(again.status, 200);
  assert.equal(((await again.json()) as { id: string }).id, topic.id);
  const different = await send("PUT", "/v1/topics/events", { partitions: 4 });
  assert.equal(different.status, 409);
  assert.equal((await problemOf(different)).code, "TOPIC_ALREADY_EXISTS");

  assert.deepEqual(await (await get("/v1/topics")).json(), {
    topics: [{ name: "events", id: topic.id, partitions: 3 }],
  });
  const altered = await send("PATCH", "/v1/topics/events", {
    partitions: 5,
    configs: { "retention.ms": null, "segment.bytes": "1048576" },
  });
  assert.equal(altered.status, 200);
  const described = (await (await get("/v1/topics/events")).json()) as typeof topic;
  assert.deepEqual(described, await altered.json());
  assert.equal(described.partitions.length, 5);
  assert.deepEqual(described.configs["retention.ms"], { value: "604800000", source: "default" });
  assert.deepEqual(described.configs["segment.bytes"], { value: "1048576", source: "topic" });

  const deleted = await send("DELETE", "/v1/topics/events");
  assert.equal(deleted.status, 204);
  assert.equal(await deleted.text(), "");
  assert.equal((await problemOf(await get("/v1/topics/events"))).code, "UNKNOWN_TOPIC_OR_PARTITION");
  assert.equal((await send("DELETE", "/v1/topics/events")).status, 404);
});

test("without a body a topic has one partition; CBOR says the same as JSON", async (t) => {
  const { send, get } = await testApp(t);
  assert.equal((await send("PUT", "/v1/topics/plain")).status, 201);
  const cbor = await send("PUT", "/v1/topics/other", encodeCbor({ partitions: 2, configs: { "retention.ms": 1000 } }), {
    "content-type": "application/cbor",
  });
  assert.equal(cbor.status, 201);
  assert.equal(cbor.headers.get("content-type"), "application/cbor");
  const inJson = await (await get("/v1/topics/other")).json();
  const inCbor = await get("/v1/topics/other", { accept: "application/cbor" });
  assert.deepEqual(decodeCbor(new Uint8Array(await inCbor.arrayBuffer()), "it"), inJson);
});

test("bad settings are refused by name, and nothing is created", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("there", { partitions: 2 });
  const refused: [string, string, unknown, number, string, RegExp][] = [
    ["PUT", "x", { partitions: 0 }, 400, "INVALID_PARTITIONS", /partitions/],
    ["PUT", "x", { partitions: -3 }, 400, "INVALID_PARTITIONS", /partitions/],
    ["PUT", "x", { partitions: 1.5 }, 400, "INVALID_REQUEST", /body: partitions/],
    ["PUT", "x", { partitions: "3" }, 400, "INVALID_REQUEST", /body: partitions/],
    ["PUT", "x", { partitons: 3 }, 400, "INVALID_REQUEST", /partitons/],
    ["PUT", "x", { configs: { "retention.mss": 1 } }, 400, "INVALID_CONFIG", /retention\.mss/],
    ["PUT", "x", { configs: { "retention.ms": "soon" } }, 400, "INVALID_CONFIG", /retention\.ms/],
    ["PUT", "x", { configs: { "retention.ms": null } }, 400, "INVALID_REQUEST", /configs\.retention\.ms/],
    [
      "PUT",
      "x",
      '{"configs":{"retention.ms":9223372036854775807}}',
      400,
      "INVALID_REQUEST",
      /configs\.retention\.ms.*string/,
    ],
    ["PUT", "x", [], 400, "INVALID_REQUEST", /body/],
    ["PUT", "x", "{", 400, "INVALID_REQUEST", /not JSON/],
    ["PUT", "a%20b", {}, 400, "INVALID_TOPIC_EXCEPTION", /a b/],
    ["PUT", "..%2f..%2fetc", {}, 400, "INVALID_TOPIC_EXCEPTION", /etc/],
    ["PUT", "a".repeat(250), {}, 400, "INVALID_TOPIC_EXCEPTION", /249/],
    ["PUT", "x?partitions=3", {}, 400, "INVALID_REQUEST", /query: .*partitions/],
    ["PATCH", "there", {}, 400, "INVALID_REQUEST", /neither partitions nor configs/],
    ["PATCH", "there", { partitions: 1 }, 400, "INVALID_PARTITIONS", /./],
    ["PATCH", "there", { configs: { "no.such": null } }, 400, "INVALID_CONFIG", /no\.such/],
    ["PATCH", "gone", { partitions: 1 }, 404, "UNKNOWN_TOPIC_OR_PARTITION", /gone/],
  ];
  for (const [method, name, body, status, code, detail] of refused) {
    const response = await send(method, `/v1/topics/${name}`, body, { "content-type": "application/json" });
    const problem = await problemOf(response);
    assert.equal(response.status, status, `${name} ${JSON.stringify(body)} ${problem.detail}`);
    assert.equal(problem.code, code);
    assert.match(problem.detail, detail);
    assert.equal(problem["effect"], "none");
  }
  assert.equal(
    (
      await send("PUT", "/v1/topics/kept", '{"configs":{"retention.ms":"9223372036854775807"}}', {
        "content-type": "application/json",
      })
    ).status,
    201,
  );
  assert.deepEqual(
    broker
      .listTopics()
      .map(({ name }) => name)
      .sort(),
    ["kept", "there"],
  );
});
