// A thousand records into a batch, against what JavaScript's Kafka clients do.
//
// Owns: the records, and the header's fields that are set alike so that the bytes are the same:
//   leader epoch, producer id, epoch and sequence -1 (the clients' own default for some is 0).

import type { Kernel, RecordToEncode } from "../../engine/kernel/kernel.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { type Contender, comparison } from "../harness/comparison.ts";
import { firstTimestamp, recordsOf } from "../harness/data.ts";
import { type KafkaJs, Peers, type PlatformaticKafka } from "../harness/peers.ts";

const recordCount = 1000;

const sizes = [
  ["100 B", 100],
  ["1 KiB", 1024],
] as const;

/** How the records come, and what is done in each operation. */
const ways = {
  columns: "columns that are filled, to one batch",
  "filling columns":
    "copying keys, values, lengths and times, each in one piece, into the columns, and these to one batch",
  objects: "record objects, through the columns, to one batch",
} as const;

export const encodeBenchmarks: readonly Benchmark[] = sizes.flatMap(([size, valueBytes]) =>
  (["columns", "filling columns", "objects"] as const).map((way) => encodeBenchmark(size, valueBytes, way)),
);

function encodeBenchmark(size: string, valueBytes: number, way: keyof typeof ways): Benchmark {
  return comparison(
    {
      group: "encode",
      name: `encode ${size}, ${way}`,
      timed: `${ways[way]}, of ${recordCount} records with 8-byte keys and values of ${size}; the peers' from their own message objects (made beforehand) to one run of bytes`,
    },
    async ({ root }) => {
      const kernel = await loadWasmKernel();
      const peers = new Peers(root);
      const records = recordsOf(recordCount, valueBytes);
      const others = encodePeers(peers, records);
      const fill = filler(kernel, records);
      fill();
      const works = {
        columns: () => kernel.encodeColumns(recordCount),
        "filling columns"() {
          fill();
          return kernel.encodeColumns(recordCount);
        },
        objects: () => kernel.encodeBatch(records),
      };
      return {
        quantity: { records: recordCount },
        subject: { name: "moldau", work: works[way] },
        peers: others,
        missing: peers.missing,
      };
    },
  );
}

/** Fills the kernel's columns from columns beside them. */
function filler(kernel: Kernel, records: readonly RecordToEncode[]): () => void {
  const pieces = records.flatMap(({ key, value }) => [key as Uint8Array, value as Uint8Array]);
  const bytes = new Uint8Array(Buffer.concat(pieces));
  const lengths = Int32Array.from(records.flatMap(({ key, value }) => [key?.length ?? -1, value?.length ?? -1, 0]));
  const timestamps = Float64Array.from(records, ({ timestamp }) => timestamp);
  return () => {
    const columns = kernel.columns();
    columns.bytes.set(bytes);
    columns.lengths.set(lengths);
    columns.timestamps.set(timestamps);
  };
}

function encodePeers(peers: Peers, records: readonly RecordToEncode[]): Contender[] {
  const platformatic = peers.platformatic();
  const kafkajs = peers.kafkajs();
  return [
    ...(platformatic === null ? [] : [platformaticEncoder(platformatic, records)]),
    ...(kafkajs === null ? [] : [kafkaJsEncoder(kafkajs, records)]),
  ];
}

function platformaticEncoder(kafka: PlatformaticKafka, records: readonly RecordToEncode[]): Contender {
  const messages = records.map(({ key, value, timestamp }) => ({
    key: Buffer.from(key as Uint8Array),
    value: Buffer.from(value as Uint8Array),
    timestamp: BigInt(timestamp),
    topic: "bench",
    partition: 0,
  }));
  const options = { partitionLeaderEpoch: -1, producerEpoch: -1, sequences: { getWithDefault: () => -1 } };
  return { name: "@platformatic/kafka", work: () => kafka.createRecordsBatch(messages, options).buffer };
}

/** As its producer's request does it: a Record for each message, then the batch of them. */
function kafkaJsEncoder({ Record, RecordBatch }: KafkaJs, records: readonly RecordToEncode[]): Contender {
  const messages = records.map(({ key, value, timestamp }) => ({
    key: Buffer.from(key as Uint8Array),
    value: Buffer.from(value as Uint8Array),
    timestamp,
  }));
  const header = {
    firstTimestamp,
    maxTimestamp: messages.at(-1)?.timestamp,
    partitionLeaderEpoch: -1,
    producerEpoch: -1,
    firstSequence: -1,
    lastOffsetDelta: messages.length - 1,
  };
  return {
    name: "kafkajs",
    async work() {
      const encoded = messages.map(({ key, value, timestamp }, offsetDelta) =>
        Record({ key, value, headers: {}, offsetDelta, timestampDelta: timestamp - firstTimestamp }),
      );
      return (await RecordBatch({ ...header, records: encoded })).buffer;
    },
  };
}
