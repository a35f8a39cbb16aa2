import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { drain } from "../../../engine/broker/world.test.support.ts";
import { createTwinKernel, type MemoryStorage, memoryStorage } from "../../../engine/index.ts";
import { openFace, type TestClient } from "../client.test.support.ts";
import { type KafkaErrorName, kafkaErrors } from "../errors.ts";
import { initProducerId } from "../schema/init-producer-id.ts";
import { metadata } from "../schema/metadata.ts";
import { produce } from "../schema/produce.ts";

const kernel = createTwinKernel();

interface BatchOptions {
  readonly producerId?: number;
  readonly sequence?: number;
  readonly attributes?: number;
}

/** A batch of these values; `attributes` are set whatever the records are, and the checksum fits. */
function batchOf(values: readonly string[], { producerId = -1, sequence = -1, attributes }: BatchOptions = {}) {
  const records = values.map((value, at) => ({
    ...{ key: null, value: new TextEncoder().encode(value), headers: [], timestamp: 1_700_000_000_000 + at },
  }));
  const producer = producerId < 0 ? {} : { producerId, producerEpoch: 0, baseSequence: sequence };
  const bytes = Uint8Array.from(kernel.encodeBatch(records, producer));
  if (attributes !== undefined) {
    bytes[22] = attributes;
    new DataView(bytes.buffer).setUint32(17, kernel.crc32c(bytes.subarray(21)));
  }
  return bytes;
}

const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));

async function send(
  client: TestClient,
  topic: string,
  records: Uint8Array | null,
  { version = 9, acks = -1, partition = 0, transactionalId = null as string | null } = {},
) {
  const partitionData = [{ index: partition, records }];
  const request = { transactionalId, acks, timeoutMs: 1000, topicData: [{ name: topic, partitionData }] };
  const { responses } = await client.ask(produce, version, request as never);
  const [answer] = responses[0]?.partitionResponses ?? [];
  ok(answer !== undefined);
  return answer;
}

const code = (name: KafkaErrorName) => kafkaErrors[name].code;

test("batches are appended as they came, and each partition is told where", async () => {
  const face = await openFace();
  await face.broker.createTopic("t", { partitions: 2 });
  const client = face.connect();
  const bytes = batchOf(["a", "b"]);
  for (const [at, acks] of [-1, 1].entries()) {
    const { errorCode, baseOffset, logAppendTimeMs, logStartOffset } = await send(client, "t", bytes, { acks });
    deepStrictEqual([errorCode, baseOffset, logAppendTimeMs, logStartOffset], [0, 2 * at, -1, 0]);
  }
  const topicData = [
    {
      name: "t",
      partitionData: [
        { index: 1, records: batchOf(["c"]) },
        { index: 7, records: batchOf(["d"]) },
        { index: 0, records: joined(batchOf(["e"]), batchOf(["f"])) },
      ],
    },
    { name: "gone", partitionData: [{ index: 0, records: batchOf(["g"]) }] },
  ];
  const { responses } = await client.ask(produce, 8, { acks: -1, timeoutMs: 1000, topicData });
  deepStrictEqual(
    responses.map(({ name, partitionResponses }) => [
      name,
      partitionResponses.map(({ index, errorCode, baseOffset }) => [index, errorCode, baseOffset]),
    ]),
    [
      [
        "t",
        [
          [1, 0, 0],
          [7, 3, -1],
          [0, 0, 4],
        ],
      ],
      ["gone", [[0, 3, -1]]],
    ],
  );
  match(responses[0]?.partitionResponses[1]?.errorMessage ?? "", /no partition 7/);
  const { records } = await face.broker.fetchRecords("t", 0, { offset: 0 });
  strictEqual(records.map(({ value }) => new TextDecoder().decode(value!)).join(""), "ababef");
  await face.close();
});

test("LogAppendTime is told", async () => {
  const face = await openFace();
  await face.broker.createTopic("t", { configs: { "message.timestamp.type": "LogAppendTime" } });
  const { logAppendTimeMs } = await send(face.connect(), "t", batchOf(["a"]));
  strictEqual(logAppendTimeMs, face.world.clock.wallMs);
  await face.close();
});

test("what may not be stored is refused in Kafka's words, and nothing of it is there", async () => {
  const face = await openFace();
  await face.broker.createTopic("t");
  const client = face.connect();
  const broken = batchOf(["a"]);
  broken[60] = 9;
  const old = batchOf(["a"]);
  old[16] = 1;
  const cases: [string, KafkaErrorName, Promise<{ errorCode: number; errorMessage: string | null }>][] = [
    ["version 0", "UNSUPPORTED_FOR_MESSAGE_FORMAT", send(client, "t", batchOf(["a"]), { version: 0 })],
    ["version 2", "UNSUPPORTED_FOR_MESSAGE_FORMAT", send(client, "t", batchOf(["a"]), { version: 2 })],
    ["acks 2", "INVALID_REQUIRED_ACKS", send(client, "t", batchOf(["a"]), { acks: 2 })],
    [
      "a transactional id",
      "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
      send(client, "t", batchOf(["a"]), { transactionalId: "x" }),
    ],
    ["a transactional batch", "INVALID_RECORD", send(client, "t", batchOf(["a"], { attributes: 16 }))],
    ["a control batch", "INVALID_RECORD", send(client, "t", batchOf(["a"], { attributes: 32 }))],
    [
      "zstd in version 6",
      "UNSUPPORTED_COMPRESSION_TYPE",
      send(client, "t", batchOf(["a"], { attributes: 4 }), { version: 6 }),
    ],
    ["no records", "INVALID_RECORD", send(client, "t", new Uint8Array(0))],
    ["null for records", "INVALID_RECORD", send(client, "t", null)],
    ["a broken batch", "CORRUPT_MESSAGE", send(client, "t", broken)],
    ["magic 1", "UNSUPPORTED_FOR_MESSAGE_FORMAT", send(client, "t", old)],
    ["half a batch", "CORRUPT_MESSAGE", send(client, "t", batchOf(["a"]).subarray(0, 65))],
  ];
  for (const [what, name, answer] of cases) {
    const { errorCode, errorMessage } = await answer;
    deepStrictEqual([what, errorCode], [what, code(name)], String(errorMessage));
  }
  strictEqual(face.broker.offsets("t", 0).latest, 0);
  const large = await send(client, "t", batchOf(["x".repeat(1_100_000)]));
  strictEqual(large.errorCode, code("MESSAGE_TOO_LARGE"));
  strictEqual((await send(client, "t", batchOf(["a"], { attributes: 4 }), { version: 7 })).errorCode, 0, "zstd in 7");
  await face.close();
});

test("acks=0 has no answer, and its failure is the end of the connection", async () => {
  const face = await openFace();
  await face.broker.createTopic("t");
  const client = face.connect();
  const topicData = (name: string) => [{ name, partitionData: [{ index: 0, records: batchOf(["a"]) }] }];
  client.send(produce, 9, { acks: 0, timeoutMs: 1000, topicData: topicData("t") });
  await client.ask(metadata, 9, { topics: [] });
  await face.world.clock.advance(20);
  strictEqual(face.broker.offsets("t", 0).latest, 1);
  strictEqual(client.hasEnded, false);
  client.send(produce, 9, { acks: 0, timeoutMs: 1000, topicData: topicData("gone") });
  await drain();
  strictEqual(client.hasEnded, true);
  match(face.said.join("\n"), /warn: a Kafka connection ends: Produce 9 failed.*'gone' does not exist/);
  await face.close();
});

test("a producer's retry is stored once, and its answer is the first one's", async () => {
  const face = await openFace();
  await face.broker.createTopic("t");
  const client = face.connect();
  const { producerId } = await client.ask(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 0 });
  const sent = [0, 2].map((sequence) => batchOf(["a", "b"], { producerId, sequence }));
  const offsets: number[] = [];
  for (const bytes of [...sent, ...sent]) offsets.push((await send(client, "t", bytes)).baseOffset);
  deepStrictEqual(offsets, [0, 2, 0, 2]);
  const gap = await send(client, "t", batchOf(["c"], { producerId, sequence: 9 }));
  strictEqual(gap.errorCode, code("OUT_OF_ORDER_SEQUENCE_NUMBER"));
  strictEqual(face.broker.offsets("t", 0).latest, 4);
  await face.close();
});

test("requests that follow each other are appended in their order, whatever their acks", async () => {
  const face = await openFace();
  await face.broker.createTopic("t");
  const client = face.connect();
  const wanted: string[] = [];
  let answers = 0;
  for (let at = 0; at < 60; at++) {
    const acks = [-1, 1, 0][at % 3]!;
    wanted.push(String(at));
    const topicData = [{ name: "t", partitionData: [{ index: 0, records: batchOf([String(at)]) }] }];
    client.send(produce, 9, { acks, timeoutMs: 1000, topicData });
    if (acks !== 0) answers += 1;
  }
  for (let at = 0; at < answers; at++) {
    await face.world.clock.advance(1);
    await client.frame();
  }
  await face.world.clock.advance(20);
  const { records } = await face.broker.fetchRecords("t", 0, { offset: 0 });
  deepStrictEqual(
    records.map(({ value }) => new TextDecoder().decode(value!)),
    wanted,
  );
  await face.close();
});

test("what is not acknowledged in time is said so, once it may yet be", async () => {
  const storage = memoryStorage();
  const face = await openFace({ storage });
  await face.broker.createTopic("t");
  const client = face.connect();
  await send(client, "t", batchOf(["a"]));
  const stall = stallSyncs(storage);
  const answer = send(client, "t", batchOf(["b"]));
  await face.world.clock.advance(1001);
  strictEqual((await answer).errorCode, code("REQUEST_TIMED_OUT"));
  stall.end();
  await drain();
  strictEqual(face.broker.offsets("t", 0).latest, 2);
  await face.close();
});

/** Syncs of the storage wait until `end`. */
function stallSyncs(storage: MemoryStorage): { end(): void } {
  const sync = storage.sync.bind(storage);
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  storage.sync = async (files) => {
    await ended;
    await sync(files);
  };
  return { end };
}
