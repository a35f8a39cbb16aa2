// Batches of other people's clients: each is accepted and read as what was put in, and what we
// encode from the same records is theirs byte for byte.

import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "./batch-layout.ts";
import { type GoldenBatch, goldenBatches } from "./golden.test.generated.ts";
import {
  field,
  type Kernel,
  type PrepareOptions,
  type RecordIndex,
  type RecordToEncode,
  recordStride,
} from "./kernel.ts";
import { createTwinKernel } from "./twin.ts";
import { loadWasmKernel } from "./wasm.ts";

const options: PrepareOptions = { baseOffset: 1_000_000, leaderEpoch: 7, maxBatchBytes: 1 << 20, appendTimeMs: -1 };
const kernels: Kernel[] = [createTwinKernel(), await loadWasmKernel()];

const decode = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const decodeNullable = (base64: string | null): Uint8Array | null => (base64 === null ? null : decode(base64));

for (const golden of goldenBatches) {
  for (const kernel of kernels) {
    test(`${kernel.name}: ${golden.name}`, () => {
      const given = decode(golden.batch);
      const run = kernel.prepareRun(given, options);
      assert.ok(run.ok, JSON.stringify(run));
      assert.deepEqual([run.batchCount, run.recordCount], [1, golden.records.length]);
      const stamped = run.bytes.slice();
      const view = new DataView(stamped.buffer);
      assert.equal(view.getBigInt64(at.baseOffset), 1_000_000n);
      assert.equal(view.getInt32(at.leaderEpoch), 7);
      assert.equal(
        view.getBigInt64(at.maxTimestamp),
        BigInt(Math.max(...golden.records.map(({ timestamp }) => timestamp))),
      );
      assert.deepEqual(kernel.validPrefix(stamped, 0), {
        sizeBytes: given.length,
        nextOffset: 1_000_000 + golden.records.length,
        batchCount: 1,
        stop: "end",
      });
      const records = recordsOf(golden);
      if (golden.codec === null) {
        const body = stamped.slice(at.records);
        const index = kernel.indexRecords(body, records.length);
        assert.ok(index.ok, JSON.stringify(index));
        assert.deepEqual(readAll(body, index, Number(view.getBigInt64(at.baseTimestamp))), records);
      }
      if (golden.canonical) {
        // Without a producer id both clients write 0 for the epoch and the sequence.
        const { id, epoch, sequence } = golden.producer ?? { id: -1, epoch: 0, sequence: 0 };
        const ours = kernel
          .encodeBatch(records, { producerId: id, producerEpoch: epoch, baseSequence: sequence })
          .slice();
        const oursStamped = kernel.prepareRun(ours, options);
        assert.ok(oursStamped.ok);
        assert.deepEqual(oursStamped.bytes.slice(), stamped);
      }
    });
  }
}

function recordsOf({ records }: GoldenBatch): RecordToEncode[] {
  return records.map(({ key, value, headers, timestamp }) => ({
    key: decodeNullable(key),
    value: decodeNullable(value),
    headers: headers.map(([name, content]) => [decode(name), decodeNullable(content)] as const),
    timestamp,
  }));
}

function readAll(body: Uint8Array, index: RecordIndex, baseTimestamp: number): RecordToEncode[] {
  const records: RecordToEncode[] = [];
  for (let place = 0; place < index.count; place++) {
    const column = (name: keyof typeof field): number => index.fields[place * recordStride + field[name]] as number;
    const piece = (position: number, length: number): Uint8Array | null =>
      length === -1 ? null : body.slice(position, position + length);
    const headers: [Uint8Array, Uint8Array | null][] = [];
    let position = column("headersPosition");
    // Every length of a header in these batches takes one byte.
    const next = (): Uint8Array | null => {
      const zigzag = body[position++] as number;
      assert.ok(zigzag < 128);
      const content = piece(position, zigzag === 1 ? -1 : zigzag >>> 1);
      position += content?.length ?? 0;
      return content;
    };
    for (let header = 0; header < column("headerCount"); header++) headers.push([next() as Uint8Array, next()]);
    assert.equal(position, column("recordEnd"));
    records.push({
      key: piece(column("keyPosition"), column("keyLength")),
      value: piece(column("valuePosition"), column("valueLength")),
      headers,
      timestamp: baseTimestamp + (index.timestampDeltas[place] as number),
    });
  }
  return records;
}
