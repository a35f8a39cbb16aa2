import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { SegmentTimes } from "./segment-times.ts";

interface MutableTime {
  maxTimestamp: number;
}

test("the first segment that reaches a time, while segments come, go at either end and change", () => {
  const seen = { rolled: 0, retained: 0, truncated: 0, changed: 0, nowhere: 0 };
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          step: fc.constantFrom("rolled", "rolled", "rolled", "retained", "truncated", "changed", "written" as const),
          time: fc.integer({ min: -1, max: 60 }),
          place: fc.nat(20),
          target: fc.option(fc.integer({ min: -2, max: 62 })),
        }),
        { maxLength: 60, size: "max" },
      ),
      (steps) => {
        const times = new SegmentTimes();
        const segments: MutableTime[] = [{ maxTimestamp: -1 }];
        let changes = 0;
        for (const { step, time, place, target } of steps) {
          const active = segments.at(-1) as MutableTime;
          if (step === "rolled") segments.push({ maxTimestamp: time });
          if (step === "written") active.maxTimestamp = Math.max(active.maxTimestamp, time);
          if (step === "retained" && segments.length > 1) segments.shift();
          // The last one left is written again, as Segment.activate says; or a new one takes the place.
          if (step === "truncated" && segments.length > 1) {
            changes += 1;
            segments.splice(Math.max(1, segments.length - 1 - (place % 3)));
            if (time % 2 === 0) segments.push({ maxTimestamp: time });
          }
          if (step === "changed") {
            (segments[place % segments.length] as MutableTime).maxTimestamp = time;
            changes += 1;
          }
          if (step !== "written") seen[step] += 1;
          if (target === null) continue;
          const found = segments.slice(0, -1).findIndex(({ maxTimestamp }) => maxTimestamp >= target);
          if (found < 0) seen.nowhere += 1;
          assert.equal(times.firstReaching(target, segments, changes), found < 0 ? segments.length - 1 : found);
        }
      },
    ),
    { numRuns: 300 },
  );
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 200, `${times} ${what}`);
});
