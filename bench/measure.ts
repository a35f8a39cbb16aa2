// Times a piece of work and says how steady the number is.
//
// Owns: warm-up, repetition, and the choice of the median.
// Never: asserts a speed; whoever reads the numbers judges them.

import { performance } from "node:perf_hooks";

export interface Effort {
  /** Each sample runs at least this long. Milliseconds. */
  readonly sampleMs: number;
  readonly samples: number;
}

export interface Measurement {
  readonly name: string;
  /** Of one operation: the median over the samples, the fastest and the slowest. Nanoseconds. */
  readonly medianNs: number;
  readonly fastestNs: number;
  readonly slowestNs: number;
  /** Bytes that one operation handles; 0 when bytes are not the point. */
  readonly bytes: number;
  /** Records that one operation handles; 0 likewise. */
  readonly records: number;
}

export interface Work {
  readonly name: string;
  readonly bytes?: number;
  readonly records?: number;
  /** One operation. What it returns is kept from being optimised away. */
  readonly run: () => unknown;
}

let kept: unknown;

/** What the last operation returned; read it and no engine may drop the work. */
export function lastResult(): unknown {
  return kept;
}

export async function measure(work: Work, effort: Effort): Promise<Measurement> {
  const rounds = await roundsFor(work, effort.sampleMs);
  const nanoseconds: number[] = [];
  for (let sample = 0; sample < effort.samples; sample++) {
    nanoseconds.push((await time(work, rounds)) / rounds);
  }
  nanoseconds.sort((a, b) => a - b);
  return {
    name: work.name,
    medianNs: nanoseconds[nanoseconds.length >> 1] as number,
    fastestNs: nanoseconds[0] as number,
    slowestNs: nanoseconds.at(-1) as number,
    bytes: work.bytes ?? 0,
    records: work.records ?? 0,
  };
}

/** Doubles until a sample is long enough; this is the warm-up too. */
async function roundsFor(work: Work, sampleMs: number): Promise<number> {
  for (let rounds = 1; ; rounds *= 2) {
    if ((await time(work, rounds)) >= sampleMs * 1e6 || rounds >= 2 ** 24) return rounds;
  }
}

/** Nanoseconds; awaits only what is a promise, so that synchronous work pays for no ticks. */
async function time(work: Work, rounds: number): Promise<number> {
  const start = performance.now();
  for (let round = 0; round < rounds; round++) {
    kept = work.run();
    if (kept instanceof Promise) kept = await kept;
  }
  return (performance.now() - start) * 1e6;
}
