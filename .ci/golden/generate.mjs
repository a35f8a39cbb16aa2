// Record batches as two other implementations write them: kafkajs and @platformatic/kafka, whose
// versions .ci/package.json pins. Writes engine/kernel/golden.test.generated.ts.
//
//   npm ci --prefix .ci && .ci/node_modules/node24/bin/node .ci/golden/generate.mjs
//
// What is uncompressed comes out the same on every run. Compressed bytes are the compressor's
// choice and may differ between runtimes, so this is run by hand, and its output is kept.
import { writeFileSync } from "node:fs";
import { createRecordsBatch } from "@platformatic/kafka";
import kafkajs from "kafkajs";
import encodeProduceRequest from "kafkajs/src/protocol/requests/produce/v3/request.js";

const now = 1_767_000_000_000;
const text = (characters) => Buffer.from(characters);

const rising = (deltas) => deltas.map((delta) => ({ key: null, value: text(`+${delta}`), timestamp: now + delta }));

/** `canonical`: timestamps rise, so that every client writes the same records and header. */
const cases = [
  { name: "one record", records: [{ key: text("user-7"), value: text("hello"), timestamp: now }] },
  { name: "an empty key and an empty value", records: [{ key: text(""), value: text(""), timestamp: now }] },
  { name: "no key", records: [{ key: null, value: text("keyless"), timestamp: now }] },
  { name: "a tombstone", records: [{ key: text("user-7"), value: null, timestamp: now }] },
  {
    name: "headers",
    records: [
      {
        key: text("k"),
        value: text("v"),
        timestamp: now,
        headers: [
          [text("trace"), text("x-1")],
          [text("größe"), text("")],
        ],
      },
      { key: text("k"), value: text("v"), timestamp: now, headers: [] },
    ],
  },
  {
    name: "timestamps that rise by more than a varint's first bytes",
    records: rising([0, 1, 63, 64, 8_191, 8_192, 1_048_576, 2 ** 29]),
  },
  // @platformatic/kafka 2.12.1 cuts a timestamp delta of 2^31 and more to 32 bits.
  { name: "timestamps weeks apart", only: "kafkajs", records: rising([0, 2 ** 30, 2 ** 31, 2 ** 33, 2 ** 35]) },
  {
    name: "lengths about a varint's edges",
    records: [63, 64, 65, 127, 128, 300].map((length) => ({
      key: text("k"),
      value: Buffer.alloc(length, "abc"),
      timestamp: now,
    })),
  },
  {
    name: "two hundred records",
    records: Array.from({ length: 200 }, (_, index) => ({
      key: text(`k${index}`),
      value: text("v"),
      timestamp: now + index,
    })),
  },
  {
    name: "an idempotent producer",
    producer: { id: 2 ** 33 + 1, epoch: 4, sequence: 17 },
    records: [0, 1, 2].map((delta) => ({ key: null, value: text("once"), timestamp: now + delta })),
  },
  {
    name: "timestamps out of order",
    canonical: false,
    records: [1_000, 999, 1_001].map((timestamp) => ({ key: null, value: text("v"), timestamp })),
  },
  {
    name: "a null header value",
    only: "@platformatic/kafka",
    records: [{ key: null, value: text("v"), timestamp: now, headers: [[text("h"), null]] }],
  },
  ...["gzip", "snappy", "lz4", "zstd"].map((codec) => ({
    name: `${codec}`,
    codec,
    only: codec === "gzip" ? undefined : "@platformatic/kafka",
    canonical: false,
    records: Array.from({ length: 20 }, (_, index) => ({
      key: text(`k${index}`),
      value: text("again and ".repeat(9)),
      timestamp: now + index,
    })),
  })),
];

async function byKafkajs({ codec, producer, records }) {
  const request = await encodeProduceRequest({
    acks: -1,
    timeout: 0,
    compression: codec === "gzip" ? kafkajs.CompressionTypes.GZIP : kafkajs.CompressionTypes.None,
    ...(producer && { producerId: producer.id, producerEpoch: producer.epoch }),
    topicData: [
      {
        topic: "t",
        partitions: [
          {
            partition: 0,
            firstSequence: producer?.sequence,
            messages: records.map(({ headers, ...record }) => ({
              ...record,
              headers: Object.fromEntries((headers ?? []).map(([key, value]) => [key.toString(), value])),
            })),
          },
        ],
      },
    ],
  }).encode();
  // transactional id (2), acks (2), timeout (4), topics (4), "t" (3), partitions (4), partition (4), size (4)
  return request.buffer.subarray(27);
}

function byPlatformatic({ codec, producer, records }) {
  const batch = createRecordsBatch(
    records.map(({ headers, timestamp, ...record }) => ({
      ...record,
      topic: "t",
      partition: 0,
      timestamp: BigInt(timestamp),
      headers: new Map(headers ?? []),
    })),
    {
      compression: codec ?? "none",
      ...(producer && {
        producerId: BigInt(producer.id),
        producerEpoch: producer.epoch,
        sequences: { getWithDefault: () => producer.sequence },
      }),
    },
  );
  return batch.buffer;
}

const base64 = (bytes) => (bytes === null ? null : bytes.toString("base64"));
const golden = [];
for (const [client, encode] of [
  ["kafkajs", byKafkajs],
  ["@platformatic/kafka", byPlatformatic],
]) {
  for (const one of cases) {
    if (one.only !== undefined && one.only !== client) continue;
    golden.push({
      name: `${client}: ${one.name}`,
      codec: one.codec ?? null,
      canonical: one.canonical ?? true,
      producer: one.producer ?? null,
      batch: base64(await encode(one)),
      records: one.records.map(({ key, value, headers, timestamp }) => ({
        key: base64(key),
        value: base64(value),
        headers: (headers ?? []).map(([name, content]) => [base64(name), base64(content)]),
        timestamp,
      })),
    });
  }
}

writeFileSync(
  new URL("../../engine/kernel/golden.test.generated.ts", import.meta.url),
  `// Generated by .ci/golden/generate.mjs with kafkajs and @platformatic/kafka; do not edit.

export interface GoldenBatch {
  readonly name: string;
  readonly codec: "gzip" | "snappy" | "lz4" | "zstd" | null;
  /** Timestamps rise, so that every client writes the same records and header. */
  readonly canonical: boolean;
  readonly producer: { readonly id: number; readonly epoch: number; readonly sequence: number } | null;
  /** Base64, as all bytes here. */
  readonly batch: string;
  readonly records: readonly {
    readonly key: string | null;
    readonly value: string | null;
    readonly headers: readonly (readonly [string, string | null])[];
    readonly timestamp: number;
  }[];
}

export const goldenBatches: readonly GoldenBatch[] = [
${golden.map((one) => `  ${JSON.stringify(one)},`).join("\n")}
];
`,
);
console.log(`${golden.length} batches`);
