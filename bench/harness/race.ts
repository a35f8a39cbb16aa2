// Times several pieces of work against each other.
//
// Owns: warm-up, repetition and turns. Each round times everything once, and every other round in
//   the reverse order, so that what the machine does meanwhile falls on all alike.
// Never: compares what they return (comparison.ts), or asserts a speed.

import { performance } from "node:perf_hooks";
import type { Effort } from "./benchmark.ts";

/** One operation. What it returns is kept from being optimised away. */
export type Work = () => unknown;

let kept: unknown;

/** What the last operation returned; read it and no engine may drop the work. */
export function lastResult(): unknown {
  return kept;
}

/** Nanoseconds of one operation, by work and round. */
export async function race(works: readonly Work[], effort: Pick<Effort, "rounds" | "sampleMs">): Promise<number[][]> {
  const repeats: number[] = [];
  for (const work of works) repeats.push(await repeatsFor(work, effort.sampleMs));
  const times: number[][] = works.map(() => []);
  for (let round = 0; round < effort.rounds; round++) {
    for (let turn = 0; turn < works.length; turn++) {
      const which = round % 2 === 0 ? turn : works.length - 1 - turn;
      const count = repeats[which] as number;
      times[which]?.push((await time(works[which] as Work, count)) / count);
    }
  }
  return times;
}

/** Doubles until a sample is long enough; this is the warm-up too. */
async function repeatsFor(work: Work, sampleMs: number): Promise<number> {
  for (let count = 1; ; count *= 2) {
    const spentMs = (await time(work, count)) / 1e6;
    if (spentMs >= sampleMs || count >= 2 ** 26) return Math.max(1, Math.ceil((count * sampleMs) / spentMs));
  }
}

/** Nanoseconds; awaits only what is a promise, so that synchronous work pays for no ticks. */
async function time(work: Work, count: number): Promise<number> {
  const start = performance.now();
  for (let turn = 0; turn < count; turn++) {
    kept = work();
    if (kept instanceof Promise) kept = await kept;
  }
  return (performance.now() - start) * 1e6;
}
