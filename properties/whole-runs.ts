// fast-check's check of runs that take their time, all of which are over when it is.
//
// Owns: that no run goes on beside what comes next, and that none is passed over. When time is up fast-check turns away
//   from the run that is under way, which still holds its world, and the traps around it, and may yet find something.
// Never: decides what is run, or for how long, but for that last run.

import fc from "fast-check";
import { type Settled, settle } from "./settled.ts";

/** Taken before any world sets its traps. */
const { setTimeout, clearTimeout } = globalThis;

export interface WholeRunsOptions {
  /** How long the run under way has when time is up. */
  readonly lastRunMs?: number; // 120 s
}

interface Run<T> {
  readonly value: T;
  readonly ended: Promise<Settled<void>>;
}

/**
 * `fc.check` of one asynchronous property; the result is there when the last run has ended, too, and has its failure.
 * Rejects when that run does not end.
 */
export async function checkWhole<T>(
  arbitrary: fc.Arbitrary<T>,
  run: (value: T) => Promise<void>,
  parameters: fc.Parameters<[T]>,
  { lastRunMs = 120_000 }: WholeRunsOptions = {},
): Promise<fc.RunDetails<[T]>> {
  let last: Run<T> | null = null;
  let runs = 0;
  const property = fc.asyncProperty(arbitrary, (value) => {
    runs += 1;
    const running = run(value);
    last = { value, ended: settle(() => running) };
    return running;
  });
  const result = await fc.check(property, parameters);
  // As TypeScript can't see it, it is set meanwhile.
  const final = last as Run<T> | null;
  if (final === null) return result;
  const settled = await within(lastRunMs, final.ended);
  if (settled === null) throw new Error(neverEnded(result, runs, final.value, lastRunMs));
  if (settled.ok || result.failed) return result;
  return {
    ...result,
    ...{ failed: true, interrupted: true, numRuns: runs, numShrinks: 0 },
    ...{
      counterexample: [final.value],
      counterexamplePath: pathOf(runs, parameters.path),
      errorInstance: settled.error,
    },
  };
}

/** null when it takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Of a run that no shrinking led to: they are counted from where the path begins. */
function pathOf(runs: number, begin = "0"): string {
  const places = begin.split(":");
  return [...places.slice(0, -1), Number(places.at(-1)) + runs - 1].join(":");
}

function neverEnded<T>(result: fc.RunDetails<[T]>, runs: number, value: T, ms: number): string {
  return [
    `run ${runs} (seed ${result.seed}) was under way when time was up, and has not ended ${ms / 1000} s later`,
    `plan: ${fc.stringify(value)}`,
    ...(result.failed ? [`found before: ${String(result.errorInstance)}`, fc.stringify(result.counterexample)] : []),
  ].join("\n");
}
