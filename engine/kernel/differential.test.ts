// The two kernels give the same answer to the same call, byte for byte and fault for fault.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  assembleBatch,
  assembleRecord,
  concatenate,
  content,
  damage,
  damagedRun,
  lyingBatch,
  lyingRecords,
  paddedRecords,
  recordsToEncode,
} from "./arbitraries.test.support.ts";
import type {
  BatchColumns,
  Fault,
  Kernel,
  PreparedRun,
  PrepareOptions,
  RecordIndex,
  RecordToEncode,
} from "./kernel.ts";
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

function indexedBatch(kernel: Kernel, bytes: Uint8Array): Fault | RecordIndex {
  const index = kernel.indexBatch(bytes);
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
      fc.option(fc.tuple(fc.nat(40), fc.nat(255)), { freq: 2 }),
      fc.option(fc.nat(60), { freq: 2 }),
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

test("indexBatch: the same places, or the same fault", () => {
  const outcomes = new Map<string, number>();
  const tail = fc.oneof({ weight: 9, arbitrary: fc.constant(new Uint8Array(0)) }, fc.uint8Array({ maxLength: 80 }));
  fc.assert(
    fc.property(batch, damage, tail, (one, done, behind) => {
      const piece = concatenate([damagedRun([one], done), behind]);
      const expected = indexedBatch(twin, piece);
      assert.deepEqual(indexedBatch(wasm, piece), expected);
      const outcome = !expected.ok ? expected.fault : expected.count === 0 ? "compressed" : "indexed";
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }),
    { numRuns: 3_000 },
  );
  const faults = ["truncated", "length", "magic", "checksum", "count", "record", "timestamp"];
  assert.deepEqual([...outcomes.keys()].sort(), [...faults, "compressed", "indexed"].sort());
  assert.ok(outcomes.get("indexed")! > 300, `${outcomes.get("indexed")} of 3000 were indexed`);
});

test("records of varints of any width, cut and changed anywhere, whatever bytes lie behind them", () => {
  let found = 0;
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(
      paddedRecords,
      fc.option(fc.tuple(fc.nat(999), fc.nat(255)), { freq: 2 }),
      fc.option(fc.nat(1_000), { freq: 2 }),
      fc.constantFrom(0, 1, 127, 128, 255),
      ({ bytes, count }, change, cut, behind) => {
        if (change !== null) bytes[Math.floor((change[0] * bytes.length) / 1_000)] = change[1];
        const piece = cut === null ? bytes : bytes.subarray(0, Math.floor((cut * bytes.length) / 1_000));
        const left = new Uint8Array(piece.length + 20_000).fill(behind);

        wasm.crc32c(left);
        const expected = indexed(twin, piece, count);
        assert.deepEqual(indexed(wasm, piece, count), expected);
        if (expected.ok) found++;

        const batch = assembleBatch({ recordCount: count, lastOffsetDelta: count - 1 }, piece);
        const options = { baseOffset: 3, leaderEpoch: 1, maxBatchBytes: 1 << 20, appendTimeMs: -1 };
        wasm.prepareRun(left, options);
        const run = prepared(twin, batch, options);
        assert.deepEqual(prepared(wasm, batch, options), run);
        if (run.ok) accepted++;
        else refused++;
        wasm.crc32c(left);
        assert.deepEqual(indexedBatch(wasm, batch), indexedBatch(twin, batch));
      },
    ),
    { numRuns: 3_000 },
  );
  assert.ok(found > 300 && accepted > 300, `${found} found and ${accepted} accepted of 3000`);
  assert.ok(refused > 1_000, `${refused} refused of 3000`);
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

test("encode, prepare, index: the same where a varint grows by a byte, and where copies change their way", () => {
  const piece = (sizeBytes: number): Uint8Array =>
    Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 31 + (index >>> 8)) & 255);
  const plain: RecordToEncode = { key: null, value: null, headers: [], timestamp: 5 };
  const sizes = [0, 1, 15, 16, 17, 31, 33, 63, 64, 511, 512, 513, 8_191, 8_192, 2 ** 18 - 1, 2 ** 18, 2 ** 18 + 1];
  const batches: RecordToEncode[][] = [
    ...sizes.map((size) => [plain, { ...plain, key: piece(size) }, { ...plain, value: piece(size) }]),
    ...sizes.map((size) => [{ ...plain, key: piece(size), value: piece(size), headers: [[piece(3), null] as const] }]),
    // The record's length comes to 2^20, and so does the value's.
    ...[-12, -11, -10, -9, -8, -7, -6, -1, 0].map((less) => [{ ...plain, value: piece(2 ** 20 + less) }, plain]),
    ...[63, 64, 65, 8_191, 8_192, 8_193, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 2 ** 34].flatMap((delta) => [
      [plain, { ...plain, timestamp: 5 + delta }],
      [{ ...plain, timestamp: 5 + delta }, plain],
    ]),
    Array.from({ length: 8_200 }, (_, index) => ({ ...plain, timestamp: index, value: piece(index & 3) })),
  ];
  for (const records of batches) {
    const encoded = twin.encodeBatch(records).slice();
    assert.deepEqual(wasm.encodeBatch(records).slice(), encoded);
    const options = { baseOffset: 0, leaderEpoch: 0, maxBatchBytes: 1 << 22, appendTimeMs: -1 };
    const run = prepared(twin, encoded, options);
    assert.ok(run.ok);
    assert.deepEqual(prepared(wasm, encoded, options), run);
    assert.deepEqual(
      indexed(wasm, encoded.subarray(61), records.length),
      indexed(twin, encoded.subarray(61), records.length),
    );
  }
});

test("a length below zero is none, though its digits are the record's", () => {
  const { length } = assembleRecord({ value: [1, 2, 3] }).slice(1);
  const bytes = Uint8Array.from(assembleRecord({ value: [1, 2, 3], lengthError: -2 * length - 1 }));
  assert.deepEqual(indexed(wasm, bytes, 1), { ok: false, fault: "record", position: 0 });
  assert.deepEqual(indexed(twin, bytes, 1), { ok: false, fault: "record", position: 0 });
});

test("the maximum timestamp is a record's, also when all lie far before the base", () => {
  const times = { baseTimestamp: 2n ** 40n, maxTimestamp: 2n ** 40n };
  const batch = assembleBatch(times, Uint8Array.from(assembleRecord({ timestampDelta: -(2n ** 34n) })));
  const options = { baseOffset: 0, leaderEpoch: 0, maxBatchBytes: 1 << 20, appendTimeMs: -1 };
  const run = prepared(wasm, batch, options);
  assert.ok(run.ok);
  assert.equal(new DataView(run.bytes.buffer).getBigInt64(35), 2n ** 40n - 2n ** 34n);
  assert.deepEqual(run, prepared(twin, batch, options));
});

test("a length of four bytes is never read as three, wherever its record would then lie", () => {
  // Read as three bytes, the first record would lie among the second one's zeros.
  const first = assembleRecord({ key: [], value: [], widths: [4] });
  const start = assembleRecord({ offsetDelta: 1, valueLength: 2 ** 22, lengthError: 2 ** 22 }).slice(0, -1);
  const bytes = new Uint8Array(first.length + start.length + 2 ** 22 + 1);
  bytes.set([...first, ...start]);
  const expected = indexed(twin, bytes, 2);
  assert.ok(expected.ok);
  assert.deepEqual(indexed(wasm, bytes, 2), expected);
});

test("encodeColumns: the same bytes, or refused by both, whatever the columns say", () => {
  const outcomes = { encoded: 0, refused: 0 };
  for (const kernel of [twin, wasm]) {
    const { bytes, lengths } = kernel.columns();
    for (let at = 0; at < bytes.length; at++) bytes[at] = at % 251;
    lengths.fill(0);
  }
  const length = fc.oneof(
    { weight: 30, arbitrary: fc.integer({ min: -1, max: 40 }) },
    { weight: 2, arbitrary: fc.constantFrom(300, 600, 2 ** 18) },
    { weight: 1, arbitrary: fc.constantFrom(-2, -(2 ** 31), 2 ** 31 - 1, 2 ** 24, 2 ** 23) },
  );
  const headers = fc.oneof(
    { weight: 12, arbitrary: fc.constant(0) },
    { weight: 2, arbitrary: fc.nat(3) },
    { weight: 1, arbitrary: fc.constantFrom(-1, 2 ** 31 - 1, 2 ** 29, 2 ** 20) },
  );
  const time = fc.oneof(
    { weight: 9, arbitrary: fc.nat(2 ** 21) },
    { weight: 1, arbitrary: fc.constantFrom(2 ** 53 - 1, 2 ** 40, 2 ** 53, -1, 0.5, Number.NaN, Infinity) },
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(length, length, headers, fc.array(length, { maxLength: 6 })), { minLength: 1, maxLength: 6 }),
      fc.array(time, { minLength: 6, maxLength: 6 }),
      (records, timestamps) => {
        const lengths = records.flatMap(([key, value, count, pieces]) => [
          key,
          value,
          count,
          ...pieces.slice(0, 2 * count),
        ]);
        const [expected, actual] = [twin, wasm].map((kernel) => {
          const columns: BatchColumns = kernel.columns();
          columns.lengths.fill(0, 0, 100).set(lengths);
          columns.timestamps.set(timestamps);
          try {
            return kernel.encodeColumns(records.length).slice();
          } catch (error) {
            assert.ok(error instanceof RangeError, String(error));
            return null;
          }
        });
        assert.deepEqual(actual, expected);
        outcomes[expected === null ? "refused" : "encoded"]++;
      },
    ),
    { numRuns: 2_000 },
  );
  assert.ok(outcomes.encoded > 500 && outcomes.refused > 500, JSON.stringify(outcomes));
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
        // From so many searches on it is a copy that is searched.
        for (let time = 0; time < 40; time++) wasm.searchIndex(table, time);
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
  assert.deepEqual(indexedBatch(wasm, encoded), indexedBatch(twin, encoded));

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
