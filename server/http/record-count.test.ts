import assert from "node:assert/strict";
import { test } from "node:test";
import { json, problemOf, testApp } from "./app.test.support.ts";
import { maxBodyContainers, maxBodyRecords } from "./record-count.ts";

const path = "/v1/topics/events/records";
const jsonOf = (count: number): string => `{"records":[${"{},".repeat(count - 1)}{}]}`;

/** {"records": [{}, ..]}, its array with a head of four bytes or of indefinite length. */
function cborOf(count: number, indefinite: boolean): Uint8Array {
  const head = indefinite ? [0x9f] : [0x9a, 0, count >> 16, (count >> 8) & 255, count & 255];
  const front = [0xa1, 0x67, ...new TextEncoder().encode("records"), ...head];
  const bytes = new Uint8Array(front.length + count + (indefinite ? 1 : 0)).fill(0xa0);
  bytes.set(front);
  if (indefinite) bytes[bytes.length - 1] = 0xff;
  return bytes;
}

test("a body holds as many records as it may, and not one more", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const cbor = { "content-type": "application/cbor", accept: "application/json" };
  const bodies = (count: number): [string | Uint8Array, Record<string, string>][] => [
    [jsonOf(count), json],
    [cborOf(count, false), cbor],
    [cborOf(count, true), cbor],
  ];
  for (const [body, headers] of bodies(maxBodyRecords)) {
    assert.equal((await send("POST", path, body, headers)).status, 200);
  }
  assert.equal(broker.offsets("events", 0).latest, 3 * maxBodyRecords);
  for (const [body, headers] of bodies(maxBodyRecords + 1)) {
    const { code, detail } = await problemOf(await send("POST", path, body, headers));
    assert.equal(code, "MESSAGE_TOO_LARGE");
    assert.match(detail, /50000 records at most; send a stream/);
  }
  assert.equal(broker.offsets("events", 0).latest, 3 * maxBodyRecords);
  assert.equal(broker.metrics().inFlightBytes, 0);
});

test("too many are refused before the body is parsed", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events");
  const { code } = await problemOf(
    await send("POST", path, jsonOf(maxBodyRecords + 1).replace("]}", "] no JSON"), json),
  );
  assert.equal(code, "MESSAGE_TOO_LARGE");
  const deep = `{"records":[{"headers":[${"[],".repeat(maxBodyContainers)}[]]}]}`;
  assert.match((await problemOf(await send("POST", path, deep, json))).detail, /arrays and objects at most/);
});

test("brackets and commas in strings count nothing", async (t) => {
  const { send, broker } = await testApp(t);
  await broker.createTopic("events", { configs: { "max.message.bytes": 12_000_000 } });
  const value = '"[{,\\'.repeat(maxBodyContainers);
  const body = JSON.stringify({ records: [{ value }] });
  const response = await send("POST", path, body, json);
  assert.equal(response.status, 200, await response.clone().text());
});
