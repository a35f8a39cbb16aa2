import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ItemMeasure, measureItem } from "./cbor-item.ts";
import { decodeCbor, encodeCbor } from "./records-cbor.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 30 }),
    fc.dictionary(
      fc.string().filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 30 },
    ),
  ),
})).value;

test("an item ends where its encoder ended it, however its bytes arrive", () => {
  fc.assert(
    fc.property(values, fc.array(fc.nat(2000), { maxLength: 8 }), (value, cuts) => {
      const item = encodeCbor(value);
      const bytes = new Uint8Array([...item, 1, 2, 3]);
      assert.equal(measureItem(bytes, "it"), item.length);
      const measure = new ItemMeasure("it");
      for (const cut of cuts.map((at) => at % item.length).sort((a, b) => a - b)) {
        assert.equal(measure.advance(bytes.subarray(0, cut)), null);
      }
      assert.equal(measure.advance(bytes), item.length);
    }),
  );
});

test("arrays and maps of indefinite length are taken", () => {
  assert.deepEqual(decodeCbor(hex("9f018202039fffff"), "it"), [1, [2, 3], []]);
  assert.deepEqual(decodeCbor(hex("bf616101ff"), "it"), { a: 1 });
});

test("what is no item of ours is refused, and never costs more than its bytes", () => {
  const refused: Record<string, RegExp> = {
    c11a514b67b0: /tag/,
    d9dfff00: /tag/,
    ff: /break/,
    "82ff": /break/,
    bf6161ff: /break/,
    a10102: /no text/,
    a1f601: /no text/,
    "61ff": /UTF-8/,
    "63edA080": /UTF-8/,
    "7f6161ff": /head/,
    "1c": /head/,
    "1f": /head/,
    e0: /simple/,
    f8ff: /simple/,
    "": /ends within/,
    "18": /ends within/,
    "5affffffff00": /ends within/,
    "9b001fffffffffffff": /ends within/,
    bbffffffffffffffff: /ends within/,
    "0102": /after its CBOR item/,
  };
  for (const [bytes, message] of Object.entries(refused)) {
    assert.throws(() => decodeCbor(hex(bytes), "the body"), { code: "INVALID_REQUEST", message }, bytes);
  }
  assert.throws(() => measureItem(new Uint8Array(1000).fill(0x81), "it"), { message: /nests deeper/ });
});

test("random bytes are an item or INVALID_REQUEST, nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeCbor(bytes, "it");
      } catch (thrown) {
        assert.equal((thrown as { code?: string }).code, "INVALID_REQUEST", String(thrown));
      }
    }),
    { numRuns: 2000 },
  );
});
