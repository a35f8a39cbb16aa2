// The queue gives its events in order, whatever order they came in.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Queue, type Queued } from "./queue.ts";

test("events come by time, at one moment by tie, and else by age", () => {
  const event = fc.record({ atMs: fc.nat(5), tie: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(fc.oneof(event, fc.constant(null)), { maxLength: 60 }), (steps) => {
      const queue = new Queue<Queued>();
      const expected: Queued[] = [];
      const compare = (a: Queued, b: Queued): number => a.atMs - b.atMs || a.tie - b.tie || a.order - b.order;
      steps.forEach((step, order) => {
        if (step === null) {
          assert.deepEqual(queue.first, expected[0]);
          queue.pop();
          expected.shift();
        } else {
          queue.push({ ...step, order });
          expected.push({ ...step, order });
          expected.sort(compare);
        }
      });
      for (const next of expected) {
        assert.deepEqual(queue.first, next);
        queue.pop();
      }
      assert.equal(queue.first, undefined);
    }),
  );
});
