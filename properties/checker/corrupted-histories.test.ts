// Every invariant finds a true history that was corrupted in the way it names, and finds nothing in the true one.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { check } from "../check.ts";
import { draw } from "../random.ts";
import { corruptions } from "./corrupt.test-support.ts";
import { invariants, judge } from "./index.ts";
import { trueHistory } from "./true-history.ts";

/** They need what only a look at files, at batches, at a coordinator or at a list of topics shows; invariants.test.ts has histories by hand. */
const byHand = [
  ...[
    /creation was acknowledged/,
    /what the policy names is deleted/,
    /one record a key/,
    /while another member has it/,
  ],
  ...[/leader epoch/, /found whole/, /lent to a reader/],
];

test("a corrupted history is found by the invariant that it breaks, and a true one by none", async () => {
  const floors = Object.fromEntries(corruptions.map(({ what }) => [what, 5]));
  const plans = fc.record({ seed: fc.nat(), operations: fc.integer({ min: 400, max: 900 }) });
  await check({ name: "corrupted histories", runs: 30, floors }, plans, async ({ seed, operations }, coverage) => {
    const history = trueHistory({ seed, operations, crashEvery: 150 });
    const { violations } = judge(history);
    if (violations.length > 0) return violations;
    for (const { what, breaks, corrupt } of corruptions) {
      const corrupted = corrupt(history, draw(seed, what));
      if (corrupted === null) continue;
      const wanted = invariants.filter(({ name }) => breaks.test(name));
      const verdict = judge(corrupted, wanted);
      coverage.add(what);
      if (verdict.holds) {
        const message = `${what} was not found`;
        return [{ invariant: wanted[0]?.name ?? `${breaks}`, source: "this test", message, events: [] }];
      }
    }
    return [];
  });
});

test("every invariant has a corruption, or is shown by hand", () => {
  for (const { name } of invariants)
    assert.ok(
      [...byHand, ...corruptions.map(({ breaks }) => breaks)].some((about) => about.test(name)),
      name,
    );
});

test("a true history shows something of every invariant that it can show", () => {
  const { notApplicable } = judge(trueHistory({ seed: 3, operations: 5000 }));
  assert.deepEqual(
    notApplicable.map(({ invariant }) => byHand.some((about) => about.test(invariant))),
    byHand.map(() => true),
    notApplicable.map(({ invariant }) => invariant).join("; "),
  );
});
