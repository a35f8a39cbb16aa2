import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { openFace } from "../client.test.support.ts";
import { kafkaErrors } from "../errors.ts";
import { initProducerId } from "../schema/init-producer-id.ts";

test("every producer has an id of its own, also one that had one before", async () => {
  const face = await openFace();
  const client = face.connect();
  const ids = new Set<number>();
  for (let version = 0; version <= 5; version++) {
    const before = version < 3 ? {} : { producerId: 0, producerEpoch: 7 };
    const request = { transactionalId: null, transactionTimeoutMs: 60_000, ...before };
    const { errorCode, producerId, producerEpoch } = await client.ask(initProducerId, version, request);
    deepStrictEqual([errorCode, producerEpoch], [0, 0]);
    ids.add(producerId);
  }
  strictEqual(ids.size, 6);
  await face.close();
});

test("a transactional id is refused for good", async () => {
  const face = await openFace();
  for (const [transactionalId, name] of [
    ["x", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"],
    ["", "INVALID_REQUEST"],
  ] as const) {
    const answer = await face.connect().ask(initProducerId, 4, { transactionalId, transactionTimeoutMs: 60_000 });
    strictEqual(answer.errorCode, kafkaErrors[name].code);
    deepStrictEqual([answer.producerId, answer.producerEpoch], [-1, -1]);
    strictEqual(kafkaErrors[name].retriable, false);
  }
  await face.close();
});
