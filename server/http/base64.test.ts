import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeBase64, encodeBase64 } from "./base64.ts";

test("what is encoded is decoded, and is what the runtime's own btoa says", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const text = encodeBase64(bytes);
      assert.equal(text, btoa(String.fromCharCode(...bytes)));
      assert.deepEqual([...decodeBase64(text)!], [...bytes]);
    }),
  );
});

test("what is not base64 to the letter is refused", () => {
  for (const text of [
    "A",
    "AA",
    "AAA",
    "A===",
    "====",
    "AA=A",
    "A-_A",
    "AA A",
    "AB==",
    "AAB=",
    "AAA=AAAA",
    "é===",
    "AAAAA",
  ]) {
    assert.equal(decodeBase64(text), null, text);
  }
});
