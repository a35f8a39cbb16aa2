// The two kernels give the same answer to the same call, byte for byte and fault for fault.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { content, damage, damagedRun, lyingBatch, lyingRecords, recordsToEncode } from "./arbitraries.test.support.ts";
import type { Fault, Kernel, PreparedRun, PrepareOptions, RecordIndex } from "./kernel.ts";
import { createTwinKernel } from "./twin.ts";
import { loadWasmKernel } from "./wasm.ts";

const twin = createTwinKernel();
const wasm = await loadWasmKernel();

const prepareOptions: fc.Arbitrary<PrepareOptions> = fc.record({
  baseOffset: fc.constantFrom(0, 7, 2 ** 31, 2 ** 40 + 3, 2 ** 53 - 40, 2 ** 53 - 4),
  leaderEpoch: fc.constantFrom(0, 5, 2 ** 31 - 1),
  maxBatchBytes: fc.oneof({ weight: 9, arbitrary: fc.constant(1 << 20) }, fc.constantFrom(61, 90, 2 ** 31, Infinity)),
  appendTimeMs: fc.constantFrom(-1, -1, 0, 1_700_000_000_000),
});

const honestBatch = fc
  .tuple(
    recordsToEncode,
    fc.option(
      fc.record({
        producerId: fc.nat(2 ** 40),
        producerEpoch: fc.nat(2 ** 15 - 1),
        baseSequence: fc.nat(2 ** 31 - 1),
      }),
      { nil: {} },
    ),
    fc.boolean(),
  )
  .map(([records, options, byWasm]) => (byWasm ? wasm : twin).encodeBatch(records, options).slice());

const batch = fc.oneof({ weight: 1, arbitrary: honestBatch }, { weight: 3, arbitrary: lyingBatch });

function prepared(kernel: Kernel, bytes: Uint8Array, options: PrepareOptions): Fault | PreparedRun {
  const run = kernel.prepareRun(bytes, options);
  return run.ok ? { ...run, bytes: run.bytes.slice() } : run;
}

function indexed(kernel: Kernel, bytes: Uint8Array, count: number): Fault | RecordIndex {
  const index = kernel.indexRecords(bytes, count);
  return index.ok ? { ...index, fields: index.fields.slice(), timestampDeltas: index.timestampDeltas.slice() } : index;
}

test("prepareRun: the same stamped bytes, or the same fault in the same place", () => {
  const outcomes = new Map<string, number>();
  fc.assert(
    fc.property(fc.array(batch, { minLength: 1, maxLength: 3 }), damage, prepareOptions, (batches, done, options) => {
      const run = damagedRun(batches, done);
      const expected = prepared(twin, run, options);
      assert.deepEqual(prepared(wasm, run, options), expected);
      const outcome = expected.ok ? "accepted" : expected.fault;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }),
    { numRuns: 3_000 },
  );
  // The arbitraries are worth something only while they reach every verdict.
  const verdicts = [
    "accepted",
    "truncated",
    "length",
    "magic",
    "checksum",
    "count",
    "record",
    "attributes",
    "timestamp",
    "producer",
    "too-large",
  ];
  assert.deepEqual([...outcomes.keys()].sort(), verdicts.sort());
});

test("validPrefix: the same prefix and the same reason", () => {
  const stops = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.array(batch, { minLength: 1, maxLength: 4 }),
      damage,
      fc.constantFrom(0, 0, 5),
      fc.boolean(),
      (batches, done, baseOffset, stamped) => {
        const log = batches.map((one) => {
          const run = stamped
            ? twin.prepareRun(one, { baseOffset, leaderEpoch: 1, maxBatchBytes: 1 << 20, appendTimeMs: -1 })
            : null;
          baseOffset += run?.ok ? run.recordCount : 0;
          return run?.ok ? run.bytes.slice() : one;
        });
        const piece = damagedRun(log, done);
        const expected = twin.validPrefix(piece, 0);
        assert.deepEqual(wasm.validPrefix(piece, 0), expected);
        stops.set(expected.stop, (stops.get(expected.stop) ?? 0) + 1);
      },
    ),
    { numRuns: 2_000 },
  );
  assert.deepEqual([...stops.keys()].sort(), ["checksum", "end", "header", "order", "partial"]);
});

test("indexRecords: the same places, or the same fault", () => {
  let found = 0;
  fc.assert(
    fc.property(
      lyingRecords,
      fc.option(fc.tuple(fc.nat(40), fc.nat(255)), { freq: 1 }),
      fc.option(fc.nat(60), { freq: 1 }),
      ({ bytes, count }, change, cut) => {
        if (change !== null && change[0] < bytes.length) bytes[change[0]] = change[1];
        const piece = cut === null ? bytes : bytes.subarray(0, cut);
        const expected = indexed(twin, piece, count);
        assert.deepEqual(indexed(wasm, piece, count), expected);
        if (expected.ok) found++;
      },
    ),
    { numRuns: 3_000 },
  );
  assert.ok(found > 300, `${found} of 3000 were records`);
});

test("encodeBatch: the same bytes", () => {
  fc.assert(
    fc.property(
      recordsToEncode,
      fc.record(
        {
          producerId: fc.nat(2 ** 53 - 1),
          producerEpoch: fc.nat(2 ** 15 - 1),
          baseSequence: fc.nat(2 ** 31 - 1),
        },
        { requiredKeys: [] },
      ),
      (records, options) => {
        assert.deepEqual(wasm.encodeBatch(records, options).slice(), twin.encodeBatch(records, options).slice());
      },
    ),
    { numRuns: 1_000 },
  );
});

test("crc32c and murmur2: the same numbers over lengths, alignments and seeds", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200, size: "max" }),
      fc.nat(33),
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      (bytes, skip, seed) => {
        const piece = bytes.subarray(skip);
        assert.equal(wasm.crc32c(piece, seed), twin.crc32c(piece, seed));
        assert.equal(wasm.murmur2(piece), twin.murmur2(piece));
      },
    ),
    { numRuns: 1_000 },
  );
  // Every length over a few strides, at every alignment within one.
  const bytes = Uint8Array.from({ length: 400 }, (_, index) => (index * 89 + (index >>> 3)) & 255);
  for (let size = 0; size < 330; size++) {
    const skip = size % 19;
    assert.equal(wasm.crc32c(bytes.subarray(skip, skip + size)), twin.crc32c(bytes.subarray(skip, skip + size)));
  }
  for (const size of [4_095, 12_289, 65_536, 1_048_583]) {
    const long = Uint8Array.from({ length: size }, (_, index) => (index * 40_503 + (index >>> 9)) & 255);
    assert.equal(wasm.crc32c(long, 0xdeadbeef), twin.crc32c(long, 0xdeadbeef), `${size} bytes`);
  }
});

test("searchIndex: the same entry, for keys that are any int32 or safe integer", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(8 as const, 12 as const),
      fc.array(fc.oneof(fc.integer(), fc.nat(1_000)), { minLength: 30, maxLength: 400, size: "max" }),
      fc.array(fc.oneof(fc.integer(), fc.double()), { maxLength: 20 }),
      fc.constantFrom(1, 1_000, 2 ** 21),
      (entrySizeBytes, unsorted, targets, scale) => {
        const keys = unsorted.map((key) => (entrySizeBytes === 8 ? key : key * scale)).sort((a, b) => a - b);
        const bytes = new Uint8Array(keys.length * entrySizeBytes);
        const view = new DataView(bytes.buffer);
        keys.forEach((key, place) => {
          if (entrySizeBytes === 8) view.setInt32(place * 8, key);
          else view.setBigInt64(place * 12, BigInt(key));
        });
        const table = { entrySizeBytes, bytes, count: keys.length, version: 0 };
        for (const target of [...targets, ...keys.slice(0, 20), -(2 ** 31), 2 ** 31 - 1, 2 ** 31, Number.NaN]) {
          assert.equal(wasm.searchIndex(table, target), twin.searchIndex(table, target), `target ${target}`);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("what is too much for the fixed memory is the twin's to answer", () => {
  // More records than the columns hold, the smallest there are.
  const recordCount = 300_000;
  const records = Array.from({ length: recordCount }, () => ({ key: null, value: null, headers: [], timestamp: 1 }));
  const encoded = wasm.encodeBatch(records).slice();
  assert.deepEqual(encoded, twin.encodeBatch(records).slice());
  assert.deepEqual(indexed(wasm, encoded.subarray(61), recordCount), indexed(twin, encoded.subarray(61), recordCount));

  const header = [new Uint8Array(0), null] as const;
  const headers = Array.from({ length: 400_000 }, () => header);
  const many = [1, 2, 3].map((timestamp) => ({ key: null, value: null, headers, timestamp }));
  assert.deepEqual(wasm.encodeBatch(many).slice(), twin.encodeBatch(many).slice());
});

test("kernels have memories of their own", async () => {
  const other = await loadWasmKernel();
  fc.assert(
    fc.property(content, content, (key, value) => {
      const record = { key, value, headers: [], timestamp: 3 };
      const held = wasm.encodeBatch([record]);
      const before = held.slice();
      // The other's memory is as foreign as any: copied from, not written to.
      const run = other.prepareRun(held, { baseOffset: 9, leaderEpoch: 9, maxBatchBytes: 1 << 20, appendTimeMs: 1 });
      assert.ok(run.ok);
      assert.deepEqual(held, before);
      assert.notDeepEqual(run.bytes, before);
    }),
    { numRuns: 50 },
  );
});
