import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { MoldauError } from "../errors.ts";
import type { RecordToEncode } from "../kernel/kernel.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { loadWasmKernel } from "../kernel/wasm.ts";
import { decodeRecords } from "./records.ts";

const encoder = new TextEncoder();
const kernels = [createTwinKernel(), await loadWasmKernel()];
const content = fc.option(fc.uint8Array({ maxLength: 20 }), { nil: null, freq: 4 });
const records: fc.Arbitrary<RecordToEncode[]> = fc.array(
  fc.record({
    key: content,
    value: content,
    headers: fc.array(
      fc.tuple(
        fc.constantFrom("", "h", "é", "\ufeffmarked").map((name) => encoder.encode(name)),
        content,
      ),
      {
        maxLength: 2,
      },
    ),
    timestamp: fc.nat(10_000),
  }),
  { minLength: 1, maxLength: 6 },
);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

test("records come back as they went in, from the offset on and up to the limit, as copies or as views", () => {
  let passedOver = 0;
  fc.assert(
    fc.property(
      fc.array(records, { minLength: 1, maxLength: 3 }),
      fc.nat(6),
      fc.integer({ min: 1, max: 8 }),
      fc.boolean(),
      fc.constantFrom(...kernels),
      (batches, fromOffset, limit, views, kernel) => {
        let baseOffset = 0;
        const runs = batches.map((batch) => {
          const options = { baseOffset, leaderEpoch: 0, maxBatchBytes: 1 << 20, appendTimeMs: -1 };
          const run = kernel.prepareRun(kernel.encodeBatch(batch), options);
          assert.ok(run.ok);
          baseOffset += batch.length;
          return run.bytes.slice();
        });
        const bytes = Uint8Array.from(runs.flatMap((run) => [...run]));
        const expected = batches.flat().map(({ key, value, headers, timestamp }, offset) => ({
          offset,
          timestamp,
          key,
          value,
          headers: headers.map(([name, held]) => ({ key: decoder.decode(name), value: held })),
        }));
        const decoded = decodeRecords(bytes, { kernel, decompressor: undefined, fromOffset, limit, views });
        // deepEqual tells a view from a copy by nothing but its bytes.
        assert.deepEqual(decoded, expected.slice(fromOffset, fromOffset + limit));
        for (const { key, value, headers } of decoded) {
          for (const piece of [key, value, ...headers.map((header) => header.value)]) {
            if (piece === null) continue;
            assert.equal(piece.buffer === bytes.buffer, views, "of one piece of memory, or its own");
          }
        }
        if (decoded.length < expected.length) passedOver += 1;
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(passedOver > 100, `${passedOver} of 500 left records out`);
});

test("a batch that is not what it was names what is wrong, and whether the client or the disk is to blame", () => {
  const batch = kernels[0]!.encodeBatch([{ key: null, value: new Uint8Array(9), headers: [], timestamp: 5 }]).slice();
  for (const kernel of kernels) {
    const decode = (change: (bytes: Uint8Array, view: DataView) => void): unknown => {
      const bytes = batch.slice();
      change(bytes, new DataView(bytes.buffer));
      try {
        return decodeRecords(bytes, { kernel, decompressor: undefined, fromOffset: 0, limit: 9 }).length;
      } catch (error) {
        assert.ok(error instanceof MoldauError);
        return [error.code, error.message.split(" (")[0], error.cause];
      }
    };
    const sealed = (bytes: Uint8Array, view: DataView): void => view.setUint32(17, kernel.crc32c(bytes.subarray(21)));
    assert.equal(
      decode(() => {}),
      1,
    );
    assert.deepEqual(
      decode((bytes) => bytes.fill(1, -1)),
      ["CORRUPT_MESSAGE", "the batch at offset 0 does not match its CRC-32C", undefined],
    );
    assert.deepEqual(
      decode((_, view) => view.setInt8(16, 1)),
      ["CORRUPT_MESSAGE", "the batch at offset 0 is of magic 1, not 2", undefined],
    );
    const badRecords = (bytes: Uint8Array, view: DataView): void => {
      bytes[61] = 1;
      sealed(bytes, view);
    };
    assert.deepEqual(decode(badRecords), [
      "CORRUPT_MESSAGE",
      "the batch at offset 0 holds records that cannot be read",
      "record",
    ]);
    const compressed = (bytes: Uint8Array, view: DataView): void => {
      view.setInt16(21, 1);
      sealed(bytes, view);
    };
    assert.deepEqual(decode(compressed), [
      "UNSUPPORTED_COMPRESSION_TYPE",
      "the batch at offset 0 is compressed",
      undefined,
    ]);
  }
});

test("what a decompressor gives back is read as records, of a batch that still matches its CRC only", () => {
  const sent = [0, 1, 2].map((value) => ({ key: null, value: Uint8Array.of(value), headers: [], timestamp: value }));
  for (const kernel of kernels) {
    const plain = kernel.encodeBatch(sent).slice();
    const batch = Uint8Array.from([...plain.subarray(0, 61), 1, 2, 3, 4]);
    const view = new DataView(batch.buffer);
    view.setInt32(8, batch.length - 12);
    view.setInt16(21, 1);
    view.setUint32(17, kernel.crc32c(batch.subarray(21)));
    const asked: number[][] = [];
    const decompressor = {
      decompress(_codec: string, bytes: Uint8Array): Uint8Array {
        asked.push([...bytes]);
        return plain.slice(61);
      },
    };
    const options = { kernel, decompressor, fromOffset: 1, limit: 9 };
    const values = decodeRecords(batch, options).map(({ offset, timestamp, value }) => [offset, timestamp, value?.[0]]);
    assert.deepEqual(values, [
      [1, 1, 1],
      [2, 2, 2],
    ]);
    assert.deepEqual(asked, [[1, 2, 3, 4]]);
    batch[64] = 9;
    assert.throws(() => decodeRecords(batch, options), /does not match its CRC-32C/);
    assert.equal(asked.length, 1);
  }
});

test("what a damaged header says is not believed: neither that a batch holds no data, nor that it lies before", () => {
  const timestamp = 1_700_000_000_000;
  for (const kernel of kernels) {
    const batch = (baseOffset: number, value: string): Uint8Array => {
      const bytes = kernel.encodeBatch([{ key: null, value: encoder.encode(value), headers: [], timestamp }]).slice();
      new DataView(bytes.buffer).setBigInt64(0, BigInt(baseOffset));
      return bytes;
    };
    const [one, two] = [batch(7, "one"), batch(8, "two")];
    const options = { kernel, decompressor: undefined, fromOffset: 7, limit: 10 };
    assert.equal(decodeRecords(Uint8Array.from([...one, ...two]), options).length, 2);
    const control = two.slice();
    control[22] = 0x20;
    const before = two.slice();
    new DataView(before.buffer).setInt32(23, -5);
    for (const damaged of [control, before]) {
      assert.throws(
        () => decodeRecords(Uint8Array.from([...one, ...damaged]), options),
        (error) => error instanceof MoldauError && error.code === "CORRUPT_MESSAGE",
      );
    }
  }
});
