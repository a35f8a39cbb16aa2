// A benchmark of work in this process against its peers: first equal, then timed.
//
// Owns: that nothing is timed whose output differs, and the figures made of the times.
// Never: knows what is compared.

import { type Bench, type Benchmark, type Figure, type Outcome, type Ratio, spreadOf } from "./benchmark.ts";
import { race, type Work } from "./race.ts";

export interface Contender {
  readonly name: string;
  readonly work: Work;
  /**
   * What the work comes to, to be compared; absent when that is what `work` returns. Bytes are
   * compared byte by byte, all else by its JSON.
   */
  readonly output?: () => unknown;
  /** An upper bound, or the same thing in another way, shown beside: its output has no counterpart. */
  readonly incomparable?: boolean;
}

/** What one operation handles, and so how its figure reads. */
export type Quantity =
  | { readonly bytes: number }
  | { readonly records: number }
  | { readonly lookUps: number }
  | { readonly operations: number };

export interface Comparison {
  readonly quantity: Quantity;
  readonly subject: Contender;
  readonly peers: readonly Contender[];
  readonly notes?: readonly string[];
  readonly missing?: readonly string[];
  readonly close?: () => void | Promise<void>;
}

export class OutputsDiffer extends Error {
  constructor(benchmark: string, subject: string, peer: string, detail: string) {
    super(`${benchmark}: ${peer} does not come to what ${subject} comes to, so nothing was timed (${detail})`);
    this.name = "OutputsDiffer";
  }
}

export function comparison(
  about: Pick<Benchmark, "group" | "name" | "timed" | "guarantees">,
  prepare: (bench: Bench) => Comparison | Promise<Comparison>,
): Benchmark {
  return {
    ...about,
    runs: "process",
    async run(bench) {
      const prepared = await prepare(bench);
      try {
        await requireEqualOutputs(about.name, prepared);
        return await compare(prepared, bench);
      } finally {
        await prepared.close?.();
      }
    },
  };
}

async function compare({ quantity, subject, peers, notes, missing }: Comparison, bench: Bench): Promise<Outcome> {
  const contenders = [subject, ...peers];
  const times = await race(
    contenders.map(({ work }) => work),
    bench.effort,
  );
  const [subjectFigure, ...peerFigures] = contenders.map(({ name }, index) =>
    figureOf(name, quantity, times[index] as number[]),
  );
  const ratios = peers.map(
    ({ name }, index): Ratio => ({
      peer: name,
      ...spreadOf((times[index + 1] as number[]).map((ns, round) => ns / (times[0]?.[round] as number))),
    }),
  );
  return {
    subject: subjectFigure as Figure,
    peers: peerFigures,
    ratios,
    curves: [],
    notes: notes ?? [],
    missing: missing ?? [],
  };
}

async function requireEqualOutputs(benchmark: string, { subject, peers }: Comparison): Promise<void> {
  const expected = await outputOf(subject);
  for (const peer of peers) {
    if (peer.incomparable === true) continue;
    const difference = differenceOf(expected, await outputOf(peer));
    if (difference !== null) throw new OutputsDiffer(benchmark, subject.name, peer.name, difference);
  }
}

async function outputOf({ work, output }: Contender): Promise<unknown> {
  const value = await (output ?? work)();
  // A view into a kernel's memory lasts until its next call.
  return value instanceof Uint8Array ? value.slice() : value;
}

function differenceOf(expected: unknown, actual: unknown): string | null {
  if (expected instanceof Uint8Array && actual instanceof Uint8Array) {
    if (expected.length !== actual.length) return `${expected.length} bytes against ${actual.length}`;
    const at = expected.findIndex((byte, index) => byte !== actual[index]);
    return at < 0 ? null : `byte ${at}: ${expected[at]} against ${actual[at]}`;
  }
  const [one, two] = [JSON.stringify(expected), JSON.stringify(actual)];
  if (one === undefined) throw new Error("there is no output to compare");
  return one === two ? null : `${one.slice(0, 80)} against ${two?.slice(0, 80)}`;
}

/** Speeds in bytes are rates, more is better; the rest are times, less is better. */
function figureOf(name: string, quantity: Quantity, nanoseconds: readonly number[]): Figure {
  if ("bytes" in quantity) return { name, unit: "GB/s", ...spreadOf(nanoseconds.map((ns) => quantity.bytes / ns)) };
  const [unit, count] =
    "records" in quantity
      ? ["ns/record", quantity.records]
      : "lookUps" in quantity
        ? ["ns/look-up", quantity.lookUps]
        : ["ns/operation", quantity.operations];
  return { name, unit: unit as string, ...spreadOf(nanoseconds.map((ns) => ns / (count as number))) };
}
