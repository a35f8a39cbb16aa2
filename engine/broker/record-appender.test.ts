import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { MoldauError } from "../errors.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { memoryStorage } from "../storage/memory.ts";
import { openBroker } from "./open.ts";
import type { Broker, LogRecord, RecordInput } from "./types.ts";
import { testWorld } from "./world.test.support.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const partitions = 3;
const kernel = createTwinKernel();

const bytesOf = (piece: Uint8Array | string | null | undefined): Uint8Array | null =>
  piece === undefined || piece === null ? null : typeof piece === "string" ? encoder.encode(piece) : piece;

const piece = fc.oneof(
  fc.constant(null),
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.string({ unit: "grapheme-ascii", maxLength: 200, size: "max" }),
  fc.uint8Array({ maxLength: 40 }),
);
const input: fc.Arbitrary<RecordInput> = fc.record(
  {
    key: piece,
    value: piece,
    headers: fc.array(fc.tuple(fc.string({ maxLength: 8 }), piece), { maxLength: 3 }),
    timestamp: fc.constantFrom(0, 5, 2 ** 40),
    partition: fc.nat(partitions - 1),
  },
  { requiredKeys: [] },
);

async function readAll(broker: Broker): Promise<LogRecord[][]> {
  const read: LogRecord[][] = [];
  for (let partition = 0; partition < partitions; partition += 1) {
    const records: LogRecord[] = [];
    for await (const record of broker.read("t", { partition })) records.push(record);
    read.push(records);
  }
  return read;
}

test("every record lies where its receipt says, byte for byte, in the order given, and by its key's hash", async () => {
  let keyed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(input, { minLength: 1, maxLength: 12 }),
      fc.constantFrom(90, 300, 1_000_000),
      async (records, maxMessageBytes) => {
        const world = testWorld(memoryStorage());
        const broker = await openBroker(world);
        await broker.createTopic("t", {
          partitions,
          configs: { "max.message.bytes": Math.max(maxMessageBytes, 1_500) },
        });
        const results = await broker.produce("t", records);
        const read = await readAll(broker);
        const lastOffsets = new Array<number>(partitions).fill(-1);
        for (const [place, { key, value, headers = [], timestamp, partition }] of records.entries()) {
          const result = results[place];
          assert.ok(result !== undefined && !("error" in result), String(result));
          const found = read[result.partition]?.[result.offset];
          const expected = {
            offset: result.offset,
            timestamp: timestamp ?? world.clock.wallMs,
            key: bytesOf(key),
            value: bytesOf(value),
            headers: headers.map(([name, content]) => ({
              key: decoder.decode(encoder.encode(name)),
              value: bytesOf(content),
            })),
          };
          assert.deepEqual(found, expected);
          assert.equal(result.timestamp, expected.timestamp);
          assert.equal(result.offset, (lastOffsets[result.partition] as number) + 1);
          lastOffsets[result.partition] = result.offset;
          if (partition !== undefined) assert.equal(result.partition, partition);
          else if (expected.key !== null) {
            assert.equal(result.partition, (kernel.murmur2(expected.key) & 0x7fffffff) % partitions);
            keyed += 1;
          }
        }
        assert.equal(read.flat().length, records.length);
        await broker.close();
      },
    ),
    { numRuns: 100 },
  );
  assert.ok(keyed > 20, `${keyed} went by their keys`);
});

test("keyless records go round, all of one produce and over several", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t", { partitions });
  for (let round = 0; round < 4; round += 1)
    await broker.produce("t", [{ value: "a" }, { value: "b" }, { value: "c" }]);
  assert.deepEqual(
    (await readAll(broker)).map(({ length }) => length),
    [4, 4, 4],
  );
  await broker.close();
});

test("what is no record refuses the whole produce, and says which one and why", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t", { partitions });
  const produce = (...records: unknown[]): Promise<unknown> =>
    broker.produce("t", [{ value: "a" }, ...records] as readonly RecordInput[]);
  for (const [record, words] of [
    [{ value: 5 }, /record 1: the value is of type number, and must be a string, a Uint8Array or null/],
    [{ value: { a: 1 } }, /record 1: the value is of type object/],
    [{ value: [1, 2] }, /record 1: the value is an array/],
    [{ key: true, value: "x" }, /record 1: the key is of type boolean/],
    [{ value: "x", headers: [["trace", 7]] }, /record 1: the header is of type number/],
    ["x", /record 1 is x: it must be an object/],
    [null, /record 1 is null/],
  ] as const) {
    await assert.rejects(
      produce(record),
      (error) => error instanceof MoldauError && error.code === "INVALID_RECORD" && words.test(error.message),
    );
  }
  await assert.rejects(broker.produce("t", { value: "x" } as never), /records must be an array/);
  assert.equal((await readAll(broker)).flat().length, 0);
  await produce({}, { key: null, value: null }, { value: new Uint8Array(2), headers: [["h", null]] });
  assert.equal((await readAll(broker)).flat().length, 4);
  await broker.close();
});

test("a timestamp that is none refuses the whole produce; one partition's error is only its records'", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t", { partitions, configs: { "max.message.bytes": 200 } });
  for (const timestamp of [-1, 0.5, 2 ** 53, Number.NaN]) {
    await assert.rejects(
      broker.produce("t", [{ value: "a" }, { value: "b", timestamp }]),
      (error) =>
        error instanceof MoldauError && error.code === "INVALID_TIMESTAMP" && error.message.includes("record 1"),
    );
  }
  assert.equal((await readAll(broker)).flat().length, 0);

  const results = await broker.produce("t", [
    { value: "a", partition: 1 },
    { value: "b".repeat(300), partition: 0 },
    { value: "c", partition: 9 },
    { value: "d", partition: 1 },
    { value: "e", partition: 0 },
  ]);
  assert.deepEqual(
    results.map((result) => ("error" in result ? result.error.code : [result.partition, result.offset])),
    [[1, 0], "MESSAGE_TOO_LARGE", "UNKNOWN_TOPIC_OR_PARTITION", [1, 1], "MESSAGE_TOO_LARGE"],
  );
  await broker.close();
});

test("the batches before the one that is refused stay, with their receipts", async () => {
  const broker = await openBroker(testWorld(memoryStorage()));
  await broker.createTopic("t", { configs: { "max.message.bytes": 200 } });
  const results = await broker.produce("t", [{ value: "kept" }, { value: "x".repeat(300) }, { value: "after" }]);
  assert.deepEqual(
    results.map((result) => ("error" in result ? result.error.code : result.offset)),
    [0, "MESSAGE_TOO_LARGE", "MESSAGE_TOO_LARGE"],
  );
  await broker.close();
});
