import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { writeUtf8 } from "./utf8.ts";

const encoder = new TextEncoder();
const text = fc.oneof(
  fc.string({
    unit: fc.constantFrom("a", "~", "\u007f", "\u0080", "é", "€", "\u{1f600}", "\ud800", "\udc00"),
    maxLength: 80,
  }),
  fc.string({ maxLength: 200, size: "max" }),
);

test("text is written as TextEncoder has it, where it is to lie, and nothing before", () => {
  let refused = 0;
  fc.assert(
    fc.property(text, fc.nat(9), fc.integer({ min: -3, max: 3 }), (text, position, spare) => {
      const expected = encoder.encode(text);
      const bytes = new Uint8Array(Math.max(0, position + expected.length + spare)).fill(7);
      const end = writeUtf8(text, bytes, Math.min(position, bytes.length));
      if (end === -1) {
        assert.ok(spare < 0);
        refused += 1;
        return;
      }
      assert.equal(end, Math.min(position, bytes.length) + expected.length);
      assert.deepEqual(
        bytes.slice(0, end),
        Uint8Array.from([...new Array(end - expected.length).fill(7), ...expected]),
      );
    }),
    { numRuns: 2_000 },
  );
  assert.ok(refused > 300, `${refused} of 2000 had no room`);
});
