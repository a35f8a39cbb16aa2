// Runs a property over many plans and says what a reader needs to run a failure again.
//
// Owns: seed, number of runs and their environment variables: MOLDAU_SEED (a number, or
//   `random`), MOLDAU_PATH (fast-check's path to a counterexample), MOLDAU_RUNS (a factor).
// Never: judges (checker/).

import type fc from "fast-check";
import type { Violation } from "./checker/index.ts";
import { Coverage } from "./coverage.ts";
import { checkWhole } from "./whole-runs.ts";

declare const process: { readonly env: Readonly<Record<string, string | undefined>> };

const environment = process.env;

export const seed: number =
  environment["MOLDAU_SEED"] === "random"
    ? Math.floor(Math.random() * 2 ** 31)
    : Number.parseInt(environment["MOLDAU_SEED"] ?? "20261123", 10);

export const runsFactor: number = Number.parseFloat(environment["MOLDAU_RUNS"] ?? "1");

export interface CheckOptions {
  readonly name: string;
  /** At MOLDAU_RUNS=1. */
  readonly runs: number;
  /** Cases that must be met at MOLDAU_RUNS=1. */
  readonly floors: Readonly<Record<string, number>>;
  /** Shrinking stops after this long. */
  readonly limitMs?: number;
}

/** Checks `run` on every plan drawn; throws with the smallest failing plan found, or for want of coverage. */
export async function check<T>(
  options: CheckOptions,
  arbitrary: fc.Arbitrary<T>,
  run: (plan: T, coverage: Coverage) => Promise<readonly Violation[]>,
): Promise<Coverage> {
  const runs = Math.max(1, Math.round(options.runs * runsFactor));
  const path = environment["MOLDAU_PATH"];
  const coverage = new Coverage();
  const result = await checkWhole(
    arbitrary,
    async (plan) => {
      const violations = await run(plan, coverage);
      if (violations.length > 0) throw new Error(describeViolations(violations));
    },
    {
      seed,
      numRuns: runs,
      ...(path === undefined ? {} : { path }),
      interruptAfterTimeLimit: (options.limitMs ?? 40_000) * Math.max(1, runsFactor),
      markInterruptAsFailure: false,
    },
  );
  if (result.failed) {
    const cause =
      result.errorInstance instanceof Error
        ? (result.errorInstance.stack ?? result.errorInstance.message)
        : String(result.errorInstance);
    throw new Error(
      [
        `${options.name}: broken after ${result.numRuns} runs and ${result.numShrinks} shrinks`,
        cause,
        `plan: ${JSON.stringify(result.counterexample?.[0])}`,
        `again: MOLDAU_SEED=${result.seed} MOLDAU_PATH=${result.counterexamplePath ?? ""} npm test -- properties`,
      ].join("\n"),
    );
  }
  console.log(`${options.name}: ${result.numRuns} runs, MOLDAU_SEED=${seed}\n${coverage.table()}`);
  // Fewer runs, by MOLDAU_RUNS or by the time limit, owe less.
  if (path === undefined) coverage.demand(options.floors, result.numRuns / options.runs);
  return coverage;
}

export function describeViolations(violations: readonly Violation[]): string {
  return violations
    .map(({ invariant, source, message }) => `${invariant}\n  source: ${source}\n  ${message}`)
    .join("\n");
}
