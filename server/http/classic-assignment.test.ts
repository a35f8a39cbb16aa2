import assert from "node:assert/strict";
import { test } from "node:test";
import { classicAssignment } from "./classic-assignment.ts";

// Version 1, one topic "ab" with partitions 0 and 7, no user data.
const bytes = Uint8Array.from([0, 1, 0, 0, 0, 1, 0, 2, 97, 98, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 255, 255, 255, 255]);

test("a consumer's assignment is read", () => {
  assert.deepEqual(classicAssignment(bytes), [{ topic: "ab", partitions: [0, 7] }]);
  // Out of the middle of a larger one, as they come.
  const within = new Uint8Array(bytes.length + 9).fill(1);
  within.set(bytes, 5);
  assert.deepEqual(classicAssignment(within.subarray(5, 5 + bytes.length)), [{ topic: "ab", partitions: [0, 7] }]);
  assert.deepEqual(classicAssignment(new Uint8Array(0)), []);
});

test("what is cut off, or counts more than there is, is none", () => {
  for (let end = 1; end < bytes.length - 4; end += 1) assert.equal(classicAssignment(bytes.subarray(0, end)), null);
  for (const at of [2, 6, 10]) {
    const broken = bytes.slice();
    broken[at] = 0x7f;
    assert.equal(classicAssignment(broken), null, `${at}`);
    broken[at] = 0xff;
    assert.equal(classicAssignment(broken), null, `${at}`);
  }
  assert.equal(classicAssignment(Uint8Array.from([255, 255, 0, 0, 0, 0])), null);
});
