import assert from "node:assert/strict";
import { test } from "node:test";
import { json, problemOf, testApp } from "./app.test.support.ts";

interface Document {
  openapi: string;
  paths: Record<
    string,
    Record<
      string,
      {
        parameters?: { name: string; in: string }[];
        requestBody?: { content: object };
        responses: Record<string, { content?: object }>;
      }
    >
  >;
  components: { schemas: Record<string, object> };
}

const routes: Record<string, string[]> = {
  "/": ["get"],
  "/docs": ["get"],
  "/healthz": ["get"],
  "/metrics": ["get"],
  "/openapi.json": ["get"],
  "/readyz": ["get"],
  "/v1/groups": ["get"],
  "/v1/groups/{group}": ["delete", "get"],
  "/v1/groups/{group}/members": ["post"],
  "/v1/groups/{group}/members/{member}": ["delete", "post"],
  "/v1/groups/{group}/offsets": ["delete", "get", "post"],
  "/v1/groups/{group}/records": ["get"],
  "/v1/producers": ["post"],
  "/v1/topics": ["get"],
  "/v1/topics/{topic}": ["delete", "get", "patch", "put"],
  "/v1/topics/{topic}/partitions/{partition}/offsets": ["get"],
  "/v1/topics/{topic}/partitions/{partition}/records": ["delete", "get", "post"],
  "/v1/topics/{topic}/records": ["post"],
};

test("the OpenAPI document names every route that is served, with bodies and parameters", async (t) => {
  const { get } = await testApp(t);
  const response = await get("/openapi.json");
  assert.equal(response.headers.get("content-type"), "application/json");
  const text = await response.text();
  const document = JSON.parse(text) as Document;
  assert.equal(document.openapi, "3.1.0");
  const documented = Object.fromEntries(
    Object.entries(document.paths)
      .map(([path, methods]) => [path, Object.keys(methods).sort()])
      .sort(),
  );
  assert.deepEqual(documented, routes);
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g))
    assert.ok(document.components.schemas[name!] !== undefined, name);
  const records = document.paths["/v1/topics/{topic}/partitions/{partition}/records"]!;
  assert.deepEqual(records["get"]!.parameters!.map(({ name }) => name).sort(), [
    "Last-Event-ID",
    "limit",
    "maxBytes",
    "offset",
    "partition",
    "timestamp",
    "topic",
    "values",
    "waitMs",
  ]);
  assert.deepEqual(Object.keys(records["get"]!.responses["200"]!.content!).sort(), [
    ...[
      "application/cbor",
      "application/cbor-seq",
      "application/json",
      "application/vnd.kafka.record-batch",
      "application/x-ndjson",
      "text/event-stream",
    ],
  ]);
  assert.deepEqual(Object.keys(records["post"]!.requestBody!.content).sort(), [
    ...[
      "application/cbor",
      "application/cbor-seq",
      "application/json",
      "application/vnd.kafka.record-batch",
      "application/x-ndjson",
    ],
  ]);
  assert.deepEqual(
    records["post"]!.parameters!.filter((one) => one.in === "header").map(({ name }) => name),
    ["Producer-Id", "Producer-Epoch", "Producer-Seq", "If-Match"],
  );
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      assert.ok(responses["default"]?.content !== undefined, `${method} ${path}`);
    }
  }
});

test("the page of the document stands alone: no script, nothing from elsewhere", async (t) => {
  const { get } = await testApp(t);
  const response = await get("/docs");
  assert.match(response.headers.get("content-type")!, /^text\/html/);
  assert.match(response.headers.get("content-security-policy")!, /default-src 'none'/);
  const html = await response.text();
  assert.doesNotMatch(html, /<script|<link|<img|@import|url\(/i);
  assert.doesNotMatch(html, /(src|href)="(?!#|\/openapi\.json)/);
  for (const path of Object.keys(routes)) assert.ok(html.includes(`<code>${path}</code>`), path);
  for (const [, anchor] of html.matchAll(/href="#([^"]+)"/g)) assert.ok(html.includes(`id="${anchor}"`), anchor);
});

test("every route answers what it does not serve with 405 and Allow, and unknown paths with 404", async (t) => {
  const { send } = await testApp(t);
  for (const [path, methods] of Object.entries(routes)) {
    const real = path.replace("{topic}", "events").replace("{partition}", "0");
    const allow = [
      ...methods.map((method) => method.toUpperCase()),
      ...(methods.includes("get") ? ["HEAD"] : []),
      "OPTIONS",
    ]
      .sort()
      .join(", ");
    for (const method of ["GET", "PUT", "POST", "PATCH", "DELETE", "PROPFIND", "OPTIONS"]) {
      if (methods.includes(method.toLowerCase())) continue;
      const response = await send(method, real);
      assert.equal(response.headers.get("allow"), allow, `${method} ${path}`);
      assert.equal(response.status, method === "OPTIONS" ? 204 : 405);
      if (method !== "OPTIONS") assert.equal((await problemOf(response)).code, "METHOD_NOT_ALLOWED");
    }
  }
  for (const path of [
    "/v1",
    "/v2/topics",
    "/v1/topics/",
    "/v1/topics/a/b",
    "/v1/topics/a/partitions/0",
    "/v1/groups/",
    "/favicon.ico",
    "//",
  ]) {
    const response = await send("GET", path);
    assert.equal(response.status, 404, path);
    assert.equal((await problemOf(response)).code, "NOT_FOUND");
  }
});

test("health names the runtime and the version; readiness ends with the broker", async (t) => {
  const { get, broker } = await testApp(t);
  assert.deepEqual(await (await get("/healthz")).json(), {
    status: "ok",
    version: "0.0.0-test",
    runtime: { name: "test", version: "1.2.3" },
    durability: "sync",
  });
  assert.deepEqual(await (await get("/readyz")).json(), { status: "ready" });
  assert.match(await (await get("/")).text(), /Moldau 0\.0\.0-test on test 1\.2\.3[\s\S]*\/docs/);
  assert.equal((await get("/healthz?anything=1")).status, 200);
  await broker.close();
  const response = await get("/readyz");
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("retry-after"), "1");
  assert.equal((await problemOf(response)).code, "BROKER_CLOSED");
  assert.equal((await get("/healthz")).status, 200);
});

test("a closed broker refuses everything as BROKER_CLOSED or not found, never as a bug", async (t) => {
  const { send, get, broker } = await testApp(t);
  await broker.createTopic("events");
  await broker.close();
  const path = "/v1/topics/events/partitions/0/records";
  for (const response of [
    await send("POST", path, { records: [{}] }),
    await send("PUT", "/v1/topics/x"),
    await send("POST", "/v1/producers"),
    await get(path),
    await get(path, { accept: "text/event-stream" }),
  ]) {
    assert.ok([404, 503].includes(response.status), String(response.status));
    await problemOf(response);
  }
});

test("metrics count the broker's work and the requests, by known routes only", async (t) => {
  const { get, send, broker } = await testApp(t);
  await broker.createTopic("events", { partitions: 2 });
  await send("POST", "/v1/topics/events/records", { records: [{ value: "a" }, { value: "b" }] });
  await get("/v1/topics/nope");
  await get("/v1/secret/path");
  await send("PROPFIND", "/v1/topics");
  await get("/metrics");
  const response = await get("/metrics");
  assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  const value = (series: string): number =>
    Number(new RegExp(`^${series.replace(/[{}"\\/.]/g, "\\$&")} (\\S+)$`, "m").exec(text)?.[1]);
  assert.equal(value("moldau_records_appended_total"), 2);
  assert.equal(value("moldau_partitions"), 2);
  assert.equal(value("moldau_in_flight_bytes"), 0);
  assert.equal(value('moldau_info{version="0.0.0-test",runtime="test",runtime_version="1.2.3"}'), 1);
  assert.equal(value('moldau_http_requests_total{method="POST",route="/v1/topics/{topic}/records",status="200"}'), 1);
  assert.equal(value('moldau_http_requests_total{method="GET",route="/v1/topics/{topic}",status="404"}'), 1);
  assert.equal(value('moldau_http_requests_total{method="GET",route="none",status="404"}'), 1);
  assert.equal(value('moldau_http_requests_total{method="other",route="none",status="405"}'), 1);
  assert.equal(value('moldau_http_request_seconds_count{method="GET",route="/metrics",status="200"}'), 1);
  for (const name of Object.keys(broker.metrics())) {
    const words = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).split("_");
    assert.ok(
      words.every((word) => text.includes(word)),
      name,
    );
  }
  assert.doesNotMatch(text, /secret|nope/);
});

test("no page may call unless its origin is named", async (t) => {
  const { app, broker } = await testApp(t);
  const preflight = { origin: "https://page.example", "access-control-request-method": "PUT" };
  const off = await app.fetch(new Request("http://test/v1/topics", { headers: preflight }));
  assert.equal(off.headers.get("access-control-allow-origin"), null);
  assert.equal(
    (await app.fetch(new Request("http://test/v1/topics/x", { method: "OPTIONS", headers: preflight }))).headers.get(
      "access-control-allow-origin",
    ),
    null,
  );

  for (const [corsOrigin, allowed] of [
    ["https://page.example", "https://page.example"],
    [["https://other.example", "https://page.example"], "https://page.example"],
    ["*", "*"],
  ] as const) {
    const { app: open } = await testApp(t, { broker, corsOrigin });
    const preflighted = await open.fetch(
      new Request("http://test/v1/topics/x", { method: "OPTIONS", headers: preflight }),
    );
    assert.equal(preflighted.status, 204);
    assert.equal(preflighted.headers.get("access-control-allow-origin"), allowed);
    assert.match(preflighted.headers.get("access-control-allow-headers")!, /Producer-Seq/);
    const listed = await open.fetch(
      new Request("http://test/v1/topics", { headers: { origin: "https://page.example" } }),
    );
    assert.equal(listed.headers.get("access-control-allow-origin"), allowed);
    assert.match(listed.headers.get("access-control-expose-headers")!, /Moldau-Next-Offset/);
    assert.equal(listed.headers.get("x-content-type-options"), "nosniff");
  }
  const { app: strict } = await testApp(t, { broker, corsOrigin: ["https://other.example"] });
  assert.equal(
    (await strict.fetch(new Request("http://test/v1/topics", { headers: preflight }))).headers.get(
      "access-control-allow-origin",
    ),
    null,
  );
});

test("every answer says nosniff and no-store", async (t) => {
  const { get, send, broker } = await testApp(t);
  await broker.createTopic("events");
  const path = "/v1/topics/events/partitions/0/records";
  const answers = [
    await get("/"),
    await get("/docs"),
    await get("/metrics"),
    await get("/nowhere"),
    await send("DELETE", "/v1/topics"),
    await send("POST", path, { records: [{}] }, json),
    await get(path, { accept: "application/x-ndjson" }),
    await get(path, { accept: "application/vnd.kafka.record-batch" }),
    await get(`${path}?limit=1`, { accept: "text/event-stream" }),
    await send("POST", path, "{}\n", { "content-type": "application/x-ndjson" }),
  ];
  for (const response of answers) {
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
    assert.equal(response.headers.get("cache-control"), "no-store");
    await response.text();
  }
});

test("HEAD is GET without a body, and leaves nothing waiting", async (t) => {
  const { app, broker } = await testApp(t);
  await broker.createTopic("events");
  for (const accept of ["application/json", "text/event-stream"]) {
    const response = await app.fetch(
      new Request("http://test/v1/topics/events/partitions/0/records", { method: "HEAD", headers: { accept } }),
    );
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), accept);
    assert.equal(await response.text(), "");
  }
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(broker.metrics().waitingFetches, 0);
});
