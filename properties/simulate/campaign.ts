// Runs plan after plan and adds up what they did; makes a failing plan small.
//
// Owns: what one worker does. Never: prints, or writes a file.

import { describeViolations } from "../check.ts";
import { judge } from "../checker/index.ts";
import { Coverage } from "../coverage.ts";
import type { SimPlan } from "../sim/plan.ts";
import { type SimOptions, type SimResult, simulate } from "../sim/simulation.ts";
import { simPlans } from "../sim/themes.ts";
import { trapping } from "../sim/trap.ts";
import { checkWhole } from "../whole-runs.ts";
import { counts } from "./floors.ts";
import type { Failure, Tally } from "./messages.ts";
import { drawing } from "./seeds.ts";

const clock = performance;
const now = clock.now.bind(clock);
const shrinkLimitMs = 60_000;
/** How long a failing plan is made small, about: what is under way is brought to its end. Half as long again is for leaving parts out. */
export const makingSmallMs: number = 1.5 * shrinkLimitMs;

export function emptyTally(): Tally {
  return {
    ...{ plans: 0, countedMs: 0, countedOperations: 0, countedFaults: 0, simulatedMs: 0, judgingMs: 0 },
    ...{ operations: 0, events: 0, historyEvents: 0, coverage: {}, checked: {} },
  };
}

export interface Outcome {
  readonly index: number;
  readonly plan: SimPlan;
  /** What was wrong with it, or null. */
  readonly found: string | null;
}

/**
 * Runs plans, each in a world of its own; `done` hears of each as it ends, and may say that it is enough.
 * One after the other: worlds that take turns save the runtime's loop, and lose twice that to each other's caches.
 */
export async function runPlans(
  plans: readonly SimPlan[],
  done: (outcome: Outcome, tally: Tally) => boolean,
): Promise<void> {
  const { stackTraceLimit } = Error;
  // A refusal is an answer like any other here, and most of what it costs is its stack.
  Error.stackTraceLimit = 0;
  try {
    for (const [index, plan] of plans.entries()) {
      const coverage = new Coverage();
      const result = await trapping(() => simulate(plan, { coverage, judged: false }), { besideOthers: false });
      const judgement = judged(result);
      if (!done({ index, plan, found: judgement.found }, tallyOf(result, coverage, judgement))) return;
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

interface Judgement extends Pick<Tally, "checked" | "judgingMs"> {
  readonly found: string | null;
}

function judged(result: SimResult): Judgement {
  const startedMs = now();
  const { violations, checked, notApplicable } = judge(result.history);
  return {
    found: violations.length === 0 ? null : describeViolations(violations),
    judgingMs: now() - startedMs,
    checked: Object.fromEntries([
      ...checked.map(({ invariant, times }) => [invariant, times] as const),
      ...notApplicable.map(({ invariant }) => [invariant, 0] as const),
    ]),
  };
}

function tallyOf(result: SimResult, coverage: Coverage, { checked, judgingMs }: Judgement): Tally {
  const { simulatedMs, operations, faults, events, history } = result;
  const share = counts(result) ? 1 : 0;
  return {
    ...{ countedMs: share * simulatedMs, countedOperations: share * operations, countedFaults: share * faults },
    ...{ plans: 1, simulatedMs, judgingMs, operations, events },
    ...{ historyEvents: history.length, coverage: Object.fromEntries(coverage.counts), checked },
  };
}

/** One plan, in a world of its own and with full stacks; `broken` is for showing that something is found. */
export async function runPlan(
  plan: SimPlan,
  broken: Pick<SimOptions, "durability"> = {},
): Promise<{ readonly found: string | null; readonly tally: Tally }> {
  const coverage = new Coverage();
  const result = await trapping(() => simulate(plan, { ...broken, coverage, judged: false }), { besideOthers: false });
  const judgement = judged(result);
  return { found: judgement.found, tally: tallyOf(result, coverage, judgement) };
}

export interface ShrinkOptions extends Pick<SimOptions, "durability"> {
  readonly limitMs?: number; // 60 s
}

/** The smallest failing plan that is found in time, beginning with this one of a unit. */
export async function shrink(
  unitSeed: number,
  { index, plan, found }: Outcome,
  { limitMs = shrinkLimitMs, ...broken }: ShrinkOptions = {},
): Promise<Failure> {
  const result = await checkWhole(
    simPlans(),
    async (smaller) => {
      const { found: wrong } = await runPlan(smaller, broken);
      if (wrong !== null) throw new Error(wrong);
    },
    {
      ...{ ...drawing, seed: unitSeed, path: String(index), numRuns: 1 },
      ...{ interruptAfterTimeLimit: limitMs, markInterruptAsFailure: false },
    },
  );
  const error = result.errorInstance;
  const smallest = {
    plan: result.counterexample?.[0] ?? plan,
    found: error instanceof Error ? error.message : (found ?? ""),
    shrinks: result.numShrinks,
  };
  return { unitSeed, index, ...(await trimmed(smallest, limitMs / 2, broken)) };
}

type Smallest = Pick<Failure, "plan" | "found" | "shrinks">;

/** What is left of it when every actor, fault and topic is left out that it does not need. */
async function trimmed(from: Smallest, limitMs: number, broken: Pick<SimOptions, "durability">): Promise<Smallest> {
  let smallest = from;
  const deadlineMs = now() + limitMs;
  for (const part of ["faults", "actors", "topics"] as const) {
    for (let at = smallest.plan[part].length - 1; at >= 0 && now() < deadlineMs; at--) {
      const rest = smallest.plan[part].filter((_, place) => place !== at);
      if (rest.length === 0 && part !== "faults") continue;
      const plan = { ...smallest.plan, [part]: rest };
      const { found } = await runPlan(plan, broken);
      if (found !== null) smallest = { plan, found, shrinks: smallest.shrinks + 1 };
    }
  }
  return smallest;
}
