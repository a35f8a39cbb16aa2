// Holds somebody's log to every invariant, over many plans, and shrinks a plan that breaks one.
//
// Owns: the runs, their seed, and what a failure says. fast-check is loaded when it is needed.

import type { LogAdapter, Manifest } from "../adapter/contract.ts";
import { demandOpen, demandPromised, heldToShapes } from "../adapter/contract-shapes.ts";
import { judge, type Verdict, type Violation } from "../checker/index.ts";
import type { HistoryEvent } from "../history.ts";
import { atLeast, demandOptions, or, positive, type Shape, that, whole } from "../shapes.ts";
import { type LogPlan, logPlans } from "./log-plan.ts";
import { playPlan } from "./play.ts";

export interface CheckLogOptions {
  /** A new log for every plan. */
  readonly open: () => LogAdapter | Promise<LogAdapter>;
  readonly runs?: number; // 100
  readonly seed?: number; // 1
  /** fast-check's way to a counter-example, as a failure tells it: that plan alone is played. */
  readonly path?: string;
  /** An operation without an answer is `info` after this long; of the reads between the rounds it is a violation. */
  readonly operationTimeoutMs?: number; // 2000
}

export interface LogVerdict {
  readonly holds: boolean;
  readonly runs: number;
  readonly seed: number;
  /** Of all runs. */
  readonly operations: number;
  /** By invariant: how many times something was held against it, over all runs; 0 says that nothing was shown of it. */
  readonly checked: Readonly<Record<string, number>>;
  /** The smallest plan found that breaks something. */
  readonly counterexample?: {
    readonly plan: LogPlan;
    readonly history: readonly HistoryEvent[];
    readonly violations: readonly Violation[];
    /** With the seed: for `path`. */
    readonly path: string;
  };
}

const shapes: { readonly [Name in Exclude<keyof CheckLogOptions, "open">]-?: Shape } = {
  runs: or(undefined, atLeast(1)),
  seed: or(undefined, whole),
  path: or(
    undefined,
    that("a string such as '12:0:3'", (value) => typeof value === "string" && /^(\d+(:\d+)*)?$/.test(value)),
  ),
  operationTimeoutMs: or(undefined, positive),
};

/**
 * Rejects when a log cannot be opened, when fast-check is not installed, and with a TypeError when an adapter, or what it
 * answers, is not of the contract's shape.
 */
export async function checkLog(options: CheckLogOptions): Promise<LogVerdict> {
  demandOpen("checkLog", options);
  demandOptions("checkLog", shapes, options, "checkLog({ open: () => adapter, runs: 100, seed: 1 })");
  const { open, runs = 100, seed = 1, path, operationTimeoutMs = 2000 } = options;
  const fc = await loadFastCheck();
  const { supports, restarts } = await lookAt(await open());
  let operations = 0;
  const checked: Record<string, number> = {};
  const run = async (plan: LogPlan): Promise<{ history: readonly HistoryEvent[]; verdict: Verdict }> => {
    const adapter = await open();
    try {
      const history = await playPlan(adapter, plan, { operationTimeoutMs });
      return { history, verdict: judge(history) };
    } finally {
      await adapter.close();
    }
  };
  const property = fc.asyncProperty(logPlans(fc, { supports, restarts }), async (plan) => {
    const { verdict } = await run(plan);
    operations += verdict.operations;
    for (const { invariant, times } of verdict.checked) checked[invariant] = (checked[invariant] ?? 0) + times;
    for (const { invariant } of verdict.notApplicable) checked[invariant] ??= 0;
    return verdict.holds;
  });
  const result = await fc.check(property, { seed, numRuns: runs, ...(path === undefined ? {} : { path }) });
  const outcome = { holds: !result.failed, runs: result.numRuns, seed, operations, checked };
  const plan = result.counterexample?.[0];
  if (plan === undefined || !result.failed) return outcome;
  // Thrown by the adapter or by us, not found.
  if (result.errorInstance instanceof Error && !/property failed|returned false/i.test(result.errorInstance.message))
    throw result.errorInstance;
  const { history, verdict } = await run(plan);
  return {
    ...outcome,
    counterexample: { plan, history, violations: verdict.violations, path: result.counterexamplePath ?? "" },
  };
}

/** What plans for such an adapter may ask; it is closed. */
async function lookAt(adapter: LogAdapter): Promise<{ readonly supports: Manifest; readonly restarts: boolean }> {
  try {
    const held = heldToShapes(adapter);
    demandPromised(held);
    return { supports: held.supports, restarts: held.restart !== undefined };
  } finally {
    // Of one that is none, too, where it can be.
    await adapter?.close?.();
  }
}

/** What a person wants to read of it. */
export function describeVerdict({ holds, runs, seed, operations, checked, counterexample }: LogVerdict): string {
  const about = `${runs} plans, ${operations} operations, seed ${seed}`;
  const silent = Object.keys(checked).filter((name) => checked[name] === 0);
  if (holds || counterexample === undefined) {
    const held = Object.keys(checked).length - silent.length;
    return [
      `holds: ${held} invariants over ${about}`,
      ...silent.map((name) => `  not shown by these histories: ${name}`),
    ].join("\n");
  }
  return [
    `violated, after ${about}; again: seed ${seed}, path '${counterexample.path}'`,
    ...counterexample.violations
      .filter(({ invariant }, place, all) => all.findIndex((one) => one.invariant === invariant) === place)
      .map(({ invariant, source, message }) => `${invariant}\n  (${source})\n  ${message}`),
    `the smallest plan found: ${JSON.stringify(counterexample.plan)}`,
  ].join("\n");
}

async function loadFastCheck(): Promise<typeof import("fast-check").default> {
  try {
    return (await import("fast-check")).default;
  } catch (error) {
    throw new Error("fast-check is not installed; it draws and shrinks the plans: npm install --save-dev fast-check", {
      cause: error,
    });
  }
}
