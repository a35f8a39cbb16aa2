// Whether a log that has grown is slower than a small one.
//
// Owns: logs of 10^3 records and every power of ten above, built once each and measured in turns, so
//   that time of day and state of the disk fall on all alike. All reads go to files: the tail kept
//   in memory would make the small logs look better than the large.

import { join } from "node:path";
import type { Broker } from "../../engine/index.ts";
import { at } from "../../engine/kernel/batch-layout.ts";
import type { Kernel } from "../../engine/kernel/kernel.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import { type Bench, type Benchmark, type Figure, type Outcome, spreadOf } from "../harness/benchmark.ts";
import { firstTimestamp, recordsOf } from "../harness/data.ts";
import { decades } from "../harness/decades.ts";
import { openLogFolder } from "../harness/log-folder.ts";
import { race, type Work } from "../harness/race.ts";

const recordsPerBatch = 100;
const fewestRecords = 1000;
/** Done in one operation: so many that a timer's step is nothing, so few that appends hardly make the log grow. */
const appends = 4;
const lookUps = 4;
const fetches = 4;
/** Each operation is timed once a round: repeated for a sample's length, appends would make a small log a large one. */
const roundsTimes = 10;
const segmentBytes = 64 << 20;
const guarantees = "durability os: acknowledged (acks=all) when the bytes are with the operating system";

interface GrownLog {
  readonly records: number;
  readonly broker: Broker;
}

const kinds: readonly {
  readonly what: string;
  readonly timed: string;
  readonly each: number;
  readonly work: (log: GrownLog, record: Uint8Array) => Work;
}[] = [
  {
    what: "append",
    timed: "broker.appendBatches of one batch of one record of 100 B",
    each: appends,
    work:
      ({ broker }, record) =>
      async () => {
        for (let turn = 0; turn < appends; turn++) await broker.appendBatches("bench", 0, record);
      },
  },
  {
    what: "look-up",
    timed: "broker.offsetForTimestamp of a time anywhere in the log: time index, index, and a read of the file",
    each: lookUps,
    work({ broker, records }) {
      const pick = places(records);
      return async () => {
        for (let turn = 0; turn < lookUps; turn++) await broker.offsetForTimestamp("bench", 0, timestampOf(pick()));
      };
    },
  },
  {
    what: "fetch",
    timed: "broker.fetchBatches of the one batch (12 KiB) that holds an offset anywhere in the log",
    each: fetches,
    work({ broker, records }) {
      const pick = places(records);
      return async () => {
        for (let turn = 0; turn < fetches; turn++)
          await broker.fetchBatches([{ topic: "bench", partition: 0, offset: pick(), maxBytes: 1 }]);
      };
    },
  },
];

export const growthBenchmarks: readonly Benchmark[] = [
  {
    group: "growth",
    name: "growth",
    runs: "process",
    timed: `${kinds.map(({ what, timed }) => `${what}: ${timed}`).join("; ")}; in logs of 10^3 to 10^7 records of 100 B (10^5 when quick) in segments of 64 MiB`,
    guarantees,
    run,
  },
];

async function run(bench: Bench): Promise<Outcome> {
  const kernel = await loadWasmKernel();
  const logs: GrownLog[] = [];
  try {
    for (const records of decades(fewestRecords, bench.effort.mostRecords)) {
      const broker = await openLogFolder(join(bench.folder, String(records)), {
        ...{ kernel, durability: "os", tailCacheBytes: 0 },
      });
      logs.push({ records, broker });
      await fill(broker, records, kernel);
      await requireWhole(broker, records);
    }
    const record = kernel.encodeBatch(recordsOf(1, 100)).slice();
    const outcomes = [];
    for (const { what, each, work } of kinds) {
      const times = await race(
        logs.map((log) => work(log, record)),
        { rounds: bench.effort.rounds * roundsTimes, sampleMs: 0 },
      );
      outcomes.push({ what, perOperation: times.map((rounds) => spreadOf(rounds.map((ns) => ns / each / 1000))) });
    }
    const curves = outcomes.map(({ what, perOperation }) => ({
      ...{ name: what, x: "records", y: "µs" },
      points: logs.map(({ records }, index) => ({ x: records, y: perOperation[index]?.median ?? Number.NaN })),
    }));
    const [subject, ...peers] = outcomes.map(
      ({ what, perOperation }): Figure => ({
        ...{ name: `${what}, ${logs.at(-1)?.records} records`, unit: "µs" },
        ...(perOperation.at(-1) as ReturnType<typeof spreadOf>),
      }),
    );
    return { subject: subject as Figure, peers, ratios: [], curves, notes: [], missing: [] };
  } finally {
    for (const { broker } of logs) await broker.close();
  }
}

/** A millisecond between two records, so that a time is as good a place as an offset. */
function timestampOf(record: number): number {
  return firstTimestamp + record;
}

/** One batch again and again, with the times of its place: they lie within the checksum. */
async function fill(broker: Broker, records: number, kernel: Kernel): Promise<void> {
  await broker.createTopic("bench", { configs: { "segment.bytes": segmentBytes } });
  const batch = kernel.encodeBatch(recordsOf(recordsPerBatch, 100)).slice();
  const view = new DataView(batch.buffer);
  for (let filled = 0; filled < records; filled += recordsPerBatch) {
    view.setBigInt64(at.baseTimestamp, BigInt(timestampOf(filled)));
    view.setBigInt64(at.maxTimestamp, BigInt(timestampOf(filled + recordsPerBatch - 1)));
    view.setUint32(at.checksum, kernel.crc32c(batch.subarray(at.attributes)));
    await broker.appendBatches("bench", 0, batch);
  }
}

async function requireWhole(broker: Broker, records: number): Promise<void> {
  const { earliest, latest } = broker.offsets("bench", 0);
  if (earliest !== 0 || latest !== records) throw new Error(`a log of ${records} records holds ${latest - earliest}`);
  const place = Math.floor(records / 3);
  const { offset } = await broker.offsetForTimestamp("bench", 0, timestampOf(place));
  if (offset !== place) throw new Error(`record ${place} was found at ${offset}`);
}

/** Offsets all over the log, in no order. */
function places(records: number): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * records);
  };
}
