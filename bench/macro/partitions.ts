// What many active partitions cost.
//
// Owns: brokers of 1, 10, ... partitions, each on a folder of its own, measured in turns; and the
//   same writes and syncs to bare files, which bound what synced acknowledgements can reach.

import { closeSync, fdatasync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Acks, Broker, Durability } from "../../engine/index.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import {
  type Bench,
  type Benchmark,
  type Curve,
  type Figure,
  type Outcome,
  type Spread,
  spreadOf,
} from "../harness/benchmark.ts";
import { batchOfSize } from "../harness/data.ts";
import { decades } from "../harness/decades.ts";
import { openLogFolder } from "../harness/log-folder.ts";
import { race, type Work } from "../harness/race.ts";

const batchBytes = 1024;
/** Appended in one operation, spread evenly over the partitions. */
const appends = { leader: 10_000, all: 1000 } as const;
/** Under way at once. */
const width = { leader: 64, all: 1000 } as const;

export const partitionsBenchmarks: readonly Benchmark[] = [
  ...(["sync", "os"] as const).map(
    (durability): Benchmark => ({
      group: "partitions",
      name: `many partitions, acks=leader, durability ${durability}`,
      runs: "process",
      timed: `${appends.leader} broker.appendBatches of 1 KiB, in turn to all of 1, 10, ... 10,000 partitions (100 when quick), ${width.leader} under way at once; raw: one writeSync of the same bytes to each of as many files in turn, no sync`,
      guarantees:
        durability === "sync"
          ? "durability sync, acks=leader: acknowledged when the bytes are with the operating system; each partition is synced within 10 ms, beside the appends"
          : "durability os, acks=leader: acknowledged when the bytes are with the operating system, which syncs when it likes",
      run: (bench) => run(bench, "leader", durability, bench.effort.mostPartitions),
    }),
  ),
  {
    group: "partitions",
    name: "many partitions, acks=all",
    runs: "process",
    timed: `${appends.all} broker.appendBatches of 1 KiB at once, in turn to all of 1, 10, 100 and 1000 partitions (100 when quick), until all are acknowledged; raw: the same bytes to as many files, and an fdatasync of each`,
    guarantees: "durability sync, acks=all: acknowledged when the bytes are on disk",
    run: (bench) => run(bench, "all", "sync", Math.min(1000, bench.effort.mostPartitions)),
  },
];

/** A round of 10,000 partitions takes seconds, so more than these add minutes and tell nothing new. */
const mostRounds = 5;

/** More would leave the broker of 10,000 partitions too few descriptors. */
const mostRawFiles = 1000;

interface Subject {
  readonly partitions: number;
  readonly broker: Broker;
  readonly raw: readonly number[];
}

async function run(bench: Bench, acks: "leader" | "all", durability: Durability, most: number): Promise<Outcome> {
  const kernel = await loadWasmKernel();
  const batch = batchOfSize(kernel.encodeBatch, batchBytes, 256);
  const subjects: Subject[] = [];
  try {
    for (const partitions of decades(1, most)) {
      const folder = join(bench.folder, String(partitions));
      const broker = await openLogFolder(folder, { kernel, durability });
      const raw = partitions > mostRawFiles ? [] : openFiles(`${folder}-raw`, partitions);
      subjects.push({ partitions, broker, raw });
      await broker.createTopic("bench", { partitions });
      await append(broker, partitions, batch, acks)();
      requireAll(broker, partitions, appends[acks]);
    }
    const compared = subjects.filter(({ raw }) => raw.length > 0);
    const times = await race(
      [
        ...subjects.map(({ broker, partitions }) => append(broker, partitions, batch, acks)),
        ...compared.map(({ raw }) => rawRound(raw, batch, acks)),
      ],
      { ...bench.effort, rounds: Math.min(mostRounds, bench.effort.rounds) },
    );
    const rates = times.map((rounds) => spreadOf(rounds.map((ns) => (appends[acks] * 1e9) / ns)));
    const moldau = seriesOf("moldau", subjects, rates.slice(0, subjects.length));
    const raw = seriesOf("raw files", compared, rates.slice(subjects.length));
    const curves = [moldau.curve, raw.curve];
    const figures = [...moldau.figures, ...raw.figures];
    const [subject, ...peers] = figures;
    return { subject: subject as Figure, peers, ratios: [], curves, notes: [], missing: [] };
  } finally {
    for (const { broker, raw } of subjects) {
      await broker.close();
      for (const descriptor of raw) closeSync(descriptor);
    }
  }
}

function seriesOf(
  name: string,
  subjects: readonly Subject[],
  rates: readonly Spread[],
): { readonly curve: Curve; readonly figures: readonly Figure[] } {
  const unit = "appends/s";
  return {
    curve: {
      ...{ name, x: "partitions", y: unit },
      points: subjects.map(({ partitions }, index) => ({ x: partitions, y: (rates[index] as Spread).median })),
    },
    figures: subjects.map(({ partitions }, index) => ({
      ...{ name: `${name}, ${partitions} partitions`, unit },
      ...(rates[index] as Spread),
    })),
  };
}

/** The next append of a lane waits for its last, so that `width` are under way. */
function append(broker: Broker, partitions: number, batch: Uint8Array, acks: "leader" | "all"): Work {
  const options: { readonly acks: Acks } = { acks };
  return async () => {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < appends[acks]) await broker.appendBatches("bench", next++ % partitions, batch, options);
    };
    await Promise.all(Array.from({ length: Math.min(width[acks], appends[acks]) }, lane));
  };
}

function requireAll(broker: Broker, partitions: number, batches: number): void {
  let ends = 0;
  for (const { logEndOffset } of broker.describeTopic("bench").partitions) ends += logEndOffset;
  if (ends === 0 || ends % batches !== 0)
    throw new Error(`${batches} batches to ${partitions} partitions came to ${ends} records`);
}

function openFiles(folder: string, count: number): number[] {
  mkdirSync(folder, { recursive: true });
  return Array.from({ length: count }, (_, index) => openSync(join(folder, `${index}.log`), "a"));
}

/** Syncs run four at a time, as many as the threads that Node has for them. */
function rawRound(files: readonly number[], batch: Uint8Array, acks: "leader" | "all"): Work {
  return async () => {
    for (let written = 0; written < appends[acks]; written++) writeSync(files[written % files.length] as number, batch);
    if (acks === "leader") return;
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < files.length) await synced(files[next++] as number);
    };
    await Promise.all(Array.from({ length: 4 }, lane));
  };
}

function synced(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) =>
    fdatasync(descriptor, (error) => (error === null ? resolve() : reject(error))),
  );
}
