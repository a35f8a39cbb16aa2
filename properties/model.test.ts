// The model says what a crash may take back, and what it may not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OffsetSet } from "./checker/offset-set.ts";
import { Rising } from "./checker/rising.ts";
import { PartitionModel } from "./model.ts";

const invokedAt = (event: number): number => event;

test("what is firm stays; what is not is void after a crash, and only then", () => {
  const model = new PartitionModel("log");
  assert.equal(model.learn(0, "a", true, 1, invokedAt), null);
  assert.equal(model.learn(1, "b", false, 2, invokedAt), null);
  assert.equal(model.learn(1, "c", false, 3, invokedAt)?.value, "b", "nothing has crashed");
  model.crashed(4);
  assert.equal(model.learn(1, "c", true, 5, invokedAt), null);
  assert.equal(model.learn(0, "x", true, 6, invokedAt)?.by, 1, "a crash takes nothing firm back");
  assert.equal(model.firmEnd, 2);
  assert.deepEqual(model.firmFrom(1, 6), { offset: 1, claim: { value: "c", firm: true, by: 5 } });
  assert.equal(model.firmFrom(1, 5), null, "nobody knew of it yet");
});

test("the lowest firm claim of huge offsets is found by the claims, not by counting up to it", () => {
  const model = new PartitionModel("log");
  for (const [by, offset] of [2 ** 52, 3 * 2 ** 30, 2 ** 52 + 1].entries())
    model.learn(offset, "a", true, by, invokedAt);
  const begun = performance.now();
  assert.equal(model.firmFrom(0, 9)?.offset, 3 * 2 ** 30);
  assert.equal(model.firmFrom(3 * 2 ** 30 + 1, 9)?.offset, 2 ** 52);
  assert.equal(model.firmFrom(0, 1)?.offset, 2 ** 52, "of the others nobody knew yet");
  assert.equal(model.firmFrom(2 ** 52 + 2, 9), null);
  assert.ok(performance.now() - begun < 5000);
});

test("a read makes firm what a leader alone had acknowledged", () => {
  const model = new PartitionModel("log");
  model.learn(0, "a", false, 1, invokedAt);
  assert.equal(model.firmEnd, 0);
  model.learn(0, "a", true, 2, invokedAt);
  assert.equal(model.firmEnd, 1);
  model.crashed(3);
  assert.equal(model.learn(0, "b", true, 4, invokedAt)?.value, "a");
});

test("the highest as of any moment", () => {
  const rising = new Rising();
  for (const [index, value] of [
    [2, 10],
    [5, 7],
    [6, 12],
    [9, 12],
  ] as const)
    rising.add(index, value);
  assert.equal(rising.before(2), null);
  assert.deepEqual(rising.before(3), { value: 10, index: 2 });
  assert.deepEqual(rising.before(6), { value: 10, index: 2 });
  assert.deepEqual(rising.before(100), { value: 12, index: 6 });
});

test("a set of offsets, over pages", () => {
  const set = new OffsetSet();
  const offsets = [0, 31, 32, 4095, 4096, 65_535, 65_536, 2 ** 40 + 31];
  for (const offset of offsets) set.add(offset);
  for (const offset of offsets) {
    assert.equal(set.has(offset), true, `${offset}`);
    assert.equal(set.has(offset + 2), false, `${offset + 2}`);
  }
});

test("a set of offsets far apart takes room for each, and not for what lies between", () => {
  const set = new OffsetSet();
  for (let at = 0; at < 50_000; at++) set.add(at * 2 ** 20);
  assert.ok(set.has(49_999 * 2 ** 20));
  assert.ok(set.sizeBytes <= 50_000 * 512, `${set.sizeBytes} bytes`);
});
