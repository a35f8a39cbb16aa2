import assert from "node:assert/strict";
import test from "node:test";
import type { Storage } from "../../port/storage.ts";
import { segmentFileName } from "../segment-names.ts";
import { type Dumped, type DumpedBatch, type DumpedRecord, type DumpOptions, dumpLog } from "./dump-log.ts";
import { encoded, kernel, overwrite, startMs, write } from "./written.test.support.ts";

const folder = "t-0";
const path = `${folder}/${segmentFileName(0, "log")}`;
const sizeBytes = encoded({ records: 2, timestamp: startMs }, 0).length;

async function dumped(storage: Storage, options: Partial<DumpOptions> = {}): Promise<Dumped[]> {
  const items: Dumped[] = [];
  for await (const item of dumpLog(path, { storage, kernel, ...options })) items.push(item);
  return items;
}

function batchesOf(items: readonly Dumped[]): DumpedBatch[] {
  return items.filter((item) => item.type === "batch");
}

function recordsOf(items: readonly Dumped[]): DumpedRecord[] {
  return items.filter((item) => item.type === "record");
}

test("a dump has every batch in order, as its header says it", async () => {
  const { storage } = await write(folder, [3]);
  const items = await dumped(storage);
  assert.equal(items.length, 3);
  const { checksum, ...second } = items[1] as DumpedBatch;
  assert.deepEqual(second, {
    ...{ type: "batch", file: path, position: sizeBytes, sizeBytes, baseOffset: 2, lastOffset: 3, recordCount: 2 },
    ...{ leaderEpoch: 0, producerId: -1, producerEpoch: -1, baseSequence: -1, lastSequence: -1 },
    ...{ baseTimestamp: startMs + 10, maxTimestamp: startMs + 11, timestampType: "CreateTime", codec: "none" },
    ...{ deleteHorizonMs: null, isTransactional: false, isControl: false, isValid: true },
  });
  assert.equal(checksum, kernel.crc32c(encoded({ records: 2, timestamp: startMs + 10 }, 2).subarray(21)));
});

test("with records each batch is followed by its own, with their sequences, also where those wrap", async () => {
  const { storage } = await write(folder, [1]);
  const producer = { producerId: 7, producerEpoch: 1, baseSequence: 2 ** 31 - 1 };
  await overwrite(storage, path, () => encoded({ records: 2, timestamp: startMs, producer }, 0));
  const [batch, ...records] = await dumped(storage, { records: true });
  assert.deepEqual([batch?.type, (batch as DumpedBatch).lastSequence], ["batch", 0]);
  assert.deepEqual(
    (records as DumpedRecord[]).map(({ offset, timestamp, sequence, value }) => [
      ...[offset, timestamp, sequence],
      new TextDecoder().decode(value ?? new Uint8Array(0)).slice(0, 8),
    ]),
    [
      [0, startMs, 2 ** 31 - 1, "record 0"],
      [1, startMs + 1, 0, "record 1"],
    ],
  );
});

test("from an offset on: batches that end below are passed over, and records of the first that lie below", async () => {
  const { storage } = await write(folder, [5]);
  const items = await dumped(storage, { records: true, fromOffset: 5 });
  assert.deepEqual(
    batchesOf(items).map(({ baseOffset }) => baseOffset),
    [4, 6, 8],
  );
  assert.deepEqual(
    recordsOf(items).map(({ offset }) => offset),
    [5, 6, 7, 8, 9],
  );
});

test("a batch with a wrong checksum is shown as it is, its records are not, and the dump goes on", async () => {
  const { storage } = await write(folder, [4]);
  await overwrite(storage, path, (bytes) => bytes.with(sizeBytes + 80, (bytes[sizeBytes + 80] as number) ^ 1));
  const items = await dumped(storage, { records: true });
  assert.deepEqual(
    batchesOf(items).map(({ position, isValid }) => [position, isValid]),
    [0, 1, 2, 3].map((at) => [at * sizeBytes, at !== 1]),
  );
  assert.deepEqual(
    items.filter((item) => item.type === "fault"),
    [{ type: "fault", file: path, position: sizeBytes, message: "the batch is bad: checksum", unreadBytes: 0 }],
  );
  assert.equal(recordsOf(items).length, 6);
});

test("a torn end and bytes that are no batch are said with what is not read", async () => {
  const torn = await write(folder, [2]);
  await overwrite(torn.storage, path, (bytes) => bytes.slice(0, -10));
  assert.deepEqual((await dumped(torn.storage)).at(-1), {
    ...{ type: "fault", file: path, position: sizeBytes, unreadBytes: sizeBytes - 10 },
    message: `a torn batch: ${sizeBytes - 10} bytes are left of it, says its length, ${sizeBytes}`,
  });
  const zeros = await write(folder, [2]);
  await overwrite(zeros.storage, path, (bytes) => {
    const longer = new Uint8Array(bytes.length + 500);
    longer.set(bytes);
    return longer;
  });
  const items = await dumped(zeros.storage);
  assert.equal(batchesOf(items).length, 2);
  assert.deepEqual(items.at(-1), {
    ...{ type: "fault", file: path, position: 2 * sizeBytes, unreadBytes: 500 },
    message: "no batch begins here (length); the last 500 bytes of the file are not read",
  });
});

test("a signal ends a dump, and a file that is not there is the store's error", async () => {
  const { storage } = await write(folder, [2]);
  const stop = new AbortController();
  stop.abort(new Error("stopped"));
  await assert.rejects(dumped(storage, { signal: stop.signal }), /^Error: stopped$/);
  await storage.remove(path);
  await assert.rejects(dumped(storage), { name: "StorageError", kind: "not-found" });
});
