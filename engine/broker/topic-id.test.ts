import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MoldauError } from "../errors.ts";
import {
  bytesToTopicId,
  createTopicId,
  isTopicId,
  topicIdFromBase64,
  topicIdToBase64,
  topicIdToBytes,
} from "./topic-id.ts";

const sixteenBytes = fc.uint8Array({ minLength: 16, maxLength: 16 });

test("both spellings of an id mean the same bytes, as base64url does", () => {
  fc.assert(
    fc.property(sixteenBytes, (bytes) => {
      const id = bytesToTopicId(bytes);
      assert.ok(isTopicId(id));
      assert.deepEqual(topicIdToBytes(id), bytes);
      assert.equal(topicIdToBase64(id), Buffer.from(bytes).toString("base64url"));
      assert.equal(topicIdFromBase64(topicIdToBase64(id)), id);
    }),
  );
});

test("what is no id is refused", () => {
  const whole = "AAAAAAAAAAAAAAAAAAAAAA";
  assert.equal(topicIdFromBase64(whole), "0".repeat(32));
  for (const text of ["", whole.slice(1), `${whole}A`, `${whole.slice(1)}+`, `${whole.slice(1)}B`])
    assert.equal(topicIdFromBase64(text), null, text);
  for (const id of ["", "0".repeat(31), "A".repeat(32), "g".repeat(32)]) {
    assert.throws(
      () => topicIdToBytes(id),
      (error) => error instanceof MoldauError && error.code === "INVALID_REQUEST",
    );
  }
});

test("a fresh id is a version 4 UUID that does not begin with -", () => {
  fc.assert(
    fc.property(fc.oneof(sixteenBytes, fc.constant(new Uint8Array(16).fill(0xf8))), (chance) => {
      const id = createTopicId({ fill: (bytes) => bytes.set(chance) });
      assert.match(id, /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
      assert.notEqual(topicIdToBase64(id)[0], "-");
    }),
  );
});
