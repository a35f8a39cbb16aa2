import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { drain } from "../../engine/broker/world.test.support.ts";
import { openFace } from "./client.test.support.ts";
import { apiVersions } from "./schema/api-versions.ts";
import { fetch } from "./schema/fetch.ts";
import { listOffsets } from "./schema/list-offsets.ts";
import { metadata } from "./schema/metadata.ts";

const lookMs = 250;

test("a client that asks nothing is let go, and one that has asked may be silent for longer", async () => {
  const face = await openFace({ limits: { firstRequestMs: 1000, idleMs: 5000 } });
  const silent = face.connect();
  const idle = face.connect();
  const busy = face.connect();
  const half = face.connect();
  await idle.ask(apiVersions, 0, {});
  await face.broker.createTopic("t");
  const topics = [{ topic: "t", partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }] }];
  busy.send(fetch, 4, { maxWaitMs: 60_000, minBytes: 1, topics } as never);
  half.peer.receive(Uint8Array.of(0, 0));
  await drain();
  strictEqual(face.server.connections, 4);
  const ended = () => [silent, idle, busy, half].map(({ hasEnded }) => hasEnded);
  await face.world.clock.advance(1000 + lookMs);
  deepStrictEqual(ended(), [true, false, false, true]);
  match(face.said.join("\n"), /info: a Kafka connection ends: no request came in 1000 ms/);
  await face.world.clock.advance(5000);
  deepStrictEqual(ended(), [true, true, false, true], "who waits for an answer is not idle");
  match(face.said.join("\n"), /info: a Kafka connection ends: nothing came in 5000 ms/);
  for (const { peer } of [silent, idle, busy, half]) peer.closed();
  strictEqual(face.server.connections, 0);
  await face.close();
});

test("answers come in the order of the requests, whichever is done first", async () => {
  const face = await openFace();
  await face.broker.createTopic("t");
  const client = face.connect();
  const topics = [{ topic: "t", partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }];
  const sent = [
    client.send(fetch, 4, { maxWaitMs: 100, minBytes: 1, topics } as never),
    client.send(metadata, 9, { topics: null }),
    client.send(listOffsets, 1, {
      replicaId: -1,
      topics: [{ name: "t", partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    }),
    client.send(apiVersions, 0, {}),
  ].map(({ correlationId }) => correlationId);
  await face.world.clock.advance(101);
  const came: number[] = [];
  for (let at = 0; at < sent.length; at++) {
    const frame = await client.frame();
    came.push(new DataView(frame.buffer, frame.byteOffset).getInt32(0));
  }
  deepStrictEqual(came, sent);
  await face.close();
});

test("what is no request ends its connection with a line in the log, and no other", async () => {
  const face = await openFace();
  const other = face.connect();
  const cases: [readonly number[] | string, RegExp][] = [
    ["GET / HTTP/1.1\r\n\r\n", /an HTTP request/],
    [[0x16, 3, 1, 2, 0], /a TLS hello/],
    [[0xff, 0xff, 0xff, 0xff], /a frame of -1 bytes/],
    [[0x7f, 0xff, 0xff, 0xff], /a frame of 2147483647 bytes: the largest may have/],
    [[0, 0, 0, 0], /a frame of 0 bytes/],
    [[0, 0, 0, 8, 0, 99, 0, 0, 0, 0, 0, 1], /API 99, which is not served/],
    [[0, 0, 0, 8, 0, 1, 0, 99, 0, 0, 0, 1], /Fetch in version 99: 4 to 16 are served/],
    [[0, 0, 0, 9, 0, 3, 0, 1, 0, 0, 0, 1, 0], /Kafka connection ends/],
    [[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff], /Kafka connection ends.*topics/],
  ];
  for (const [bytes, said] of cases) {
    const client = face.connect();
    const before = face.said.length;
    client.peer.receive(typeof bytes === "string" ? new TextEncoder().encode(bytes) : Uint8Array.from(bytes));
    await drain();
    ok(client.hasEnded, String(said));
    match(face.said.slice(before).join("\n"), said);
  }
  ok((await other.ask(apiVersions, 0, {})).apiKeys.length > 5);
  await face.close();
});
