// Runs plan after plan and adds up what they did; makes a failing plan small.
//
// Owns: what one worker does. Never: prints, or writes a file.

import fc from "fast-check";
import { describeViolations } from "../check.ts";
import { judge } from "../checker/index.ts";
import { Coverage } from "../coverage.ts";
import { type SimPlan, simPlans } from "../sim/plan.ts";
import { type SimResult, simulate } from "../sim/simulation.ts";
import { trapping } from "../sim/trap.ts";
import type { Kernel } from "../subject.ts";
import { counts } from "./floors.ts";
import type { Failure, Tally } from "./messages.ts";

const clock = performance;
const now = clock.now.bind(clock);
const shrinkLimitMs = 60_000;

export function emptyTally(): Tally {
  return {
    ...{ plans: 0, countedMs: 0, simulatedMs: 0, simulatingMs: 0, judgingMs: 0 },
    ...{ operations: 0, events: 0, historyEvents: 0, coverage: {} },
  };
}

/** One plan; what was wrong with it, or null. */
export async function runPlan(plan: SimPlan, tally: Tally, kernel?: Kernel): Promise<string | null> {
  const coverage = new Coverage();
  const startedMs = now();
  const result: SimResult = await trapping(
    () => simulate(plan, { coverage, judged: false, ...(kernel === undefined ? {} : { kernel }) }),
    { besideOthers: false },
  );
  const simulatedMs = now();
  const { violations } = judge(result.history);
  tally.judgingMs += now() - simulatedMs;
  tally.simulatingMs += simulatedMs - startedMs;
  tally.plans += 1;
  tally.simulatedMs += result.simulatedMs;
  tally.operations += result.operations;
  tally.events += result.events;
  tally.historyEvents += result.history.length;
  if (counts(result)) tally.countedMs += result.simulatedMs;
  for (const [name, count] of coverage.counts) tally.coverage[name] = (tally.coverage[name] ?? 0) + count;
  return violations.length === 0 ? null : describeViolations(violations);
}

/** The smallest failing plan that a minute finds, beginning with this one of a unit. */
export async function shrink(unitSeed: number, index: number, plan: SimPlan, found: string): Promise<Failure> {
  const result = await fc.check(
    fc.asyncProperty(simPlans(), async (smaller) => {
      const wrong = await runPlan(smaller, emptyTally());
      if (wrong !== null) throw new Error(wrong);
    }),
    {
      ...{ seed: unitSeed, path: String(index), numRuns: 1 },
      ...{ interruptAfterTimeLimit: shrinkLimitMs, markInterruptAsFailure: false },
    },
  );
  const smallest = result.counterexample?.[0] ?? plan;
  const error = result.errorInstance;
  return {
    ...{ unitSeed, index, shrinks: result.numShrinks, plan: smallest },
    found: error instanceof Error ? error.message : found,
  };
}
