import assert from "node:assert/strict";
import { test } from "node:test";
import { type HuntResult, isKilled, killers, type MutantResult, medianSeeds, scoreOf, tableOf } from "./results.ts";

const hunt = (seeds: number, invariant: string | null): HuntResult => ({
  seeds,
  killedBy: invariant === null ? null : { seed: 1, invariant, message: "" },
  seconds: 1,
  others: invariant === null ? ["A3 (2×)"] : [],
});

const of = (...hunts: HuntResult[]): MutantResult => ({ name: "one", source: "ours", suite: "lives", hunts });

test("a mutant is killed when every stream kills it; the median counts survivors as the worst", () => {
  const killed = of(hunt(9, "A6"), hunt(1, "A5"), hunt(4, "A6"));
  assert.equal(isKilled(killed), true);
  assert.equal(medianSeeds(killed), 4);
  assert.deepEqual(killers(killed), ["A6", "A5"]);
  const halfway = of(hunt(9, "A6"), hunt(100, null), hunt(4, "A6"));
  assert.equal(isKilled(halfway), false);
  assert.equal(medianSeeds(halfway), 9);
  assert.equal(medianSeeds(of(hunt(100, null), hunt(100, null), hunt(4, "A6"))), null);
  assert.equal(isKilled(of()), false);
});

test("the table names survivors, and what noticed them otherwise", () => {
  const taken = { date: "2026-01-01", machine: "m", runtime: "r", workers: 1, seconds: 1 };
  const run = { taken, limit: 100, streams: 1, mutants: [of(hunt(9, "A6")), of(hunt(100, null))] };
  assert.match(tableOf(run), /^killed +9 +9 .* A6$/m);
  assert.match(tableOf(run), /^SURVIVED +- +100 .*noticed otherwise: A3 \(2×\)$/m);
  assert.equal(scoreOf(run), "1 of 2 killed (50.0%)");
});
