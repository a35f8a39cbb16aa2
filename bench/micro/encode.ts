// A thousand records into a batch, against what JavaScript's Kafka clients do.
//
// Owns: the records, and the header's fields that are set alike so that the bytes are the same:
//   leader epoch, producer id, epoch and sequence -1 (the clients' own default for some is 0).

import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { type Contender, comparison } from "../harness/comparison.ts";
import { firstTimestamp, recordsOf } from "../harness/data.ts";
import { type KafkaJs, Peers, type PlatformaticKafka } from "../harness/peers.ts";

const recordCount = 1000;

export const encodeBenchmarks: readonly Benchmark[] = (
  [
    ["100 B", 100],
    ["1 KiB", 1024],
  ] as const
).map(([size, valueBytes]) => encodeBenchmark(size, valueBytes));

function encodeBenchmark(size: string, valueBytes: number): Benchmark {
  const peersTime = "the peers' from their own message objects (made beforehand) to one run of bytes";
  return comparison(
    {
      group: "encode",
      name: `encode ${size}, objects`,
      timed: `${recordCount} record objects with 8-byte keys and values of ${size} to one batch of bytes; ${peersTime}`,
    },
    async ({ root }) => {
      const kernel = await loadWasmKernel();
      const peers = new Peers(root);
      const records = recordsOf(recordCount, valueBytes);
      return {
        quantity: { records: recordCount },
        subject: { name: "moldau", work: () => kernel.encodeBatch(records) },
        peers: encodePeers(peers, records),
        missing: peers.missing,
      };
    },
  );
}

function encodePeers(peers: Peers, records: ReturnType<typeof recordsOf>): Contender[] {
  const platformatic = peers.platformatic();
  const kafkajs = peers.kafkajs();
  return [
    ...(platformatic === null ? [] : [platformaticEncoder(platformatic, records)]),
    ...(kafkajs === null ? [] : [kafkaJsEncoder(kafkajs, records)]),
  ];
}

function platformaticEncoder(kafka: PlatformaticKafka, records: ReturnType<typeof recordsOf>): Contender {
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
function kafkaJsEncoder({ Record, RecordBatch }: KafkaJs, records: ReturnType<typeof recordsOf>): Contender {
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
