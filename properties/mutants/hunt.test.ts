import assert from "node:assert/strict";
import { test } from "node:test";
import { nothingPromisedIsLost, progress } from "../checker/durability.ts";
import type { Violation } from "../checker/index.ts";
import { hunt } from "./hunt.ts";
import { broken, isOneOf } from "./mutant.ts";

const lost = nothingPromisedIsLost.name;
const told = (invariant: string): Violation => ({ invariant, source: "", message: `of ${invariant}`, events: [] });

test("the first seed kills whose history breaks an invariant that the mutant names", async () => {
  const played: number[] = [];
  const { kill, others } = await hunt({
    found: [broken(nothingPromisedIsLost)],
    seeds: [30, 10, 20, 40],
    play: async (seed) => {
      played.push(seed);
      if (seed === 30) throw new Error("no history");
      return seed === 10 ? [told("A9")] : [told("A6: lost"), told(lost)];
    },
  });
  assert.deepEqual(kill, { seeds: 3, seed: 20, invariant: lost, message: `of ${lost}` });
  assert.deepEqual(played, [30, 10, 20]);
  assert.deepEqual(
    [...others],
    [
      ["thrown: no history", 1],
      ["A9", 1],
    ],
  );
});

test("what a suite names in its own way kills nothing", async () => {
  const { kill, others } = await hunt({
    found: [broken(nothingPromisedIsLost)],
    seeds: [1],
    play: async () => [told("A6: lost")],
  });
  assert.equal(kill, null);
  assert.deepEqual([...others], [["A6: lost", 1]]);
});

test("what breaks only other invariants survives", async () => {
  const { kill, played, others } = await hunt({
    found: [broken(nothingPromisedIsLost)],
    seeds: [1, 2],
    play: async () => [told("A9")],
  });
  assert.equal(kill, null);
  assert.equal(played, 2);
  assert.deepEqual([...others], [["A9", 2]]);
});

test("of an invariant that is wide, only findings that say what the mutant does count", () => {
  const found = [broken(progress), broken(nothingPromisedIsLost, /of A6/)];
  assert.ok(isOneOf(found, told(progress.name)));
  assert.ok(isOneOf(found, told(lost)));
  assert.ok(!isOneOf(found, { ...told(lost), message: "something else" }));
  assert.ok(!isOneOf(found, told("A6: lost")));
});
