// What stays of a batch, byte by byte: offsets, sequences, times and the delete horizon.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { EncodeOptions, Kernel } from "../kernel/kernel.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { loadWasmKernel } from "../kernel/wasm.ts";
import { maxRunBytes } from "../limits.ts";
import type { Decompressor } from "../port/world.ts";
import { emptyBatch, type Sieved, type SieveOptions, sieveBatch } from "./batch-sieve.ts";
import { BatchHeader } from "./record-batch.ts";
import { type DecodedRecord, decodeRecords } from "./records.ts";
import { varlongBytes, writeVarlong } from "./varint.ts";

const kernels: readonly Kernel[] = [createTwinKernel(), await loadWasmKernel()];
const [twin] = kernels as [Kernel];
const secret = new Uint8Array(16).fill(9);
const utf8 = new TextEncoder();
const baseOffset = 1000;

/** gzip of these tests: every byte turned over. */
const turned: Decompressor = {
  decompress: (_, bytes) => bytes.map((byte) => byte ^ 0xff),
};

interface Given {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp?: number;
}

function batchOf(records: readonly Given[], options: EncodeOptions = {}, attributes = 0): BatchHeader {
  const bytes = twin
    .encodeBatch(
      records.map(({ key, value, timestamp = 5000 }) => ({
        key: key === null ? null : utf8.encode(key),
        value: value === null ? null : utf8.encode(value),
        headers: [[utf8.encode("h"), null] as const],
        timestamp,
      })),
      options,
    )
    .slice();
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(baseOffset));
  view.setInt32(12, 3);
  view.setInt16(21, attributes);
  if ((attributes & 7) !== 0)
    bytes.set(
      bytes.slice(61).map((byte) => byte ^ 0xff),
      61,
    );
  view.setUint32(17, twin.crc32c(bytes.subarray(21)));
  return new BatchHeader(bytes);
}

/** Sieves with the batch's own keys noted, and then those of `later`. */
function sieved(
  header: BatchHeader,
  later: readonly string[],
  options: Partial<SieveOptions> = {},
  kernel = twin,
): Sieved {
  const map = kernel.openOffsetMap(secret, baseOffset);
  assert.ok(map !== null);
  const own = decoded(header.bytes);
  const keys = [
    ...own.map(({ key, offset }) => ({ key, offset })),
    ...later.map((key, at) => ({ key: utf8.encode(key), offset: baseOffset + 10_000 + at })),
  ];
  for (const { key, offset } of keys) {
    const bytes = kernel.encodeBatch([{ key, value: null, headers: [], timestamp: 0 }]).slice();
    const index = kernel.indexBatch(bytes);
    assert.ok(index.ok);
    map.note(bytes, index, offset);
  }
  const given = {
    kernel,
    decompressor: turned,
    map,
    mappedTo: baseOffset + 20_000,
    nowMs: 1_000_000,
    deleteRetentionMs: 500,
  };
  const result = sieveBatch(header, { ...given, ...options });
  map.close();
  return result;
}

const decoded = (bytes: Uint8Array): DecodedRecord[] =>
  decodeRecords(bytes, { kernel: twin, decompressor: turned, fromOffset: 0, limit: Number.POSITIVE_INFINITY });

const seen = (records: readonly DecodedRecord[]): unknown[] =>
  records.map(({ offset, timestamp, key, value, headers }) => ({ offset, timestamp, key, value, headers }));

test("a batch of which all stays is not touched, compressed or not", () => {
  for (const attributes of [0, 1]) {
    const result = sieved(
      batchOf(
        [
          { key: "a", value: "1" },
          { key: "b", value: "2" },
        ],
        {},
        attributes,
      ),
      ["c"],
    );
    assert.deepEqual(result, { outcome: "whole", pieces: [], removed: 0, horizonMs: -1 });
  }
});

test("what stays keeps offsets, times, headers and sequences; the batch keeps its range", () => {
  for (const kernel of kernels) {
    for (const attributes of [0, 1, 8]) {
      const stamp = { producerId: 7, producerEpoch: 2, baseSequence: 2 ** 31 - 2 };
      const records = ["a", "b", "c", "d"].map((key, at) => ({ key, value: `v${at}`, timestamp: 5000 - at * 300 }));
      const header = batchOf(records, stamp, attributes);
      const result = sieved(header, ["a", "d"], {}, kernel);
      assert.deepEqual([result.outcome, result.removed, result.horizonMs, result.pieces.length], ["part", 2, -1, 1]);
      const bytes = result.pieces[0] as Uint8Array;
      assert.ok(kernel.indexBatch(bytes).ok, "its checksum is right");
      assert.deepEqual(seen(decoded(bytes)), seen(decoded(header.bytes)).slice(1, 3));
      const rewritten = new BatchHeader(bytes);
      assert.deepEqual(
        [rewritten.baseOffset, rewritten.lastOffset, rewritten.recordCount, rewritten.leaderEpoch],
        [baseOffset, baseOffset + 3, 2, 3],
      );
      assert.deepEqual([rewritten.producerId, rewritten.producerEpoch, rewritten.baseSequence], [7, 2, 2 ** 31 - 2]);
      assert.equal(rewritten.codec, null);
      assert.equal(rewritten.isLogAppendTime, attributes === 8);
      assert.equal(rewritten.maxTimestamp, attributes === 8 ? header.maxTimestamp : 4700);
      assert.equal(rewritten.hasDeleteHorizon, false);
    }
  }
});

test("a tombstone's first pass writes down when it may go, and that pass takes it", () => {
  const header = batchOf([
    { key: "a", value: null, timestamp: 100 },
    { key: "b", value: "2", timestamp: 90 },
    { key: "c", value: "3", timestamp: 2 ** 40 },
  ]);
  const first = sieved(header, ["c"]);
  assert.deepEqual([first.outcome, first.removed, first.horizonMs], ["part", 1, 1_000_500]);
  const [bytes] = first.pieces as [Uint8Array];
  const marked = new BatchHeader(bytes);
  assert.ok(marked.hasDeleteHorizon);
  assert.equal(marked.baseTimestamp, 1_000_500);
  assert.equal(marked.maxTimestamp, 100);
  assert.deepEqual(seen(decoded(bytes)), seen(decoded(header.bytes)).slice(0, 2));

  const early = sieved(marked, [], { nowMs: 1_000_499, deleteRetentionMs: 0 });
  assert.deepEqual(early, { outcome: "whole", pieces: [], removed: 0, horizonMs: 1_000_500 });
  const late = sieved(marked, [], { nowMs: 1_000_500, deleteRetentionMs: 10 ** 12 });
  assert.deepEqual([late.outcome, late.removed, late.horizonMs], ["part", 1, -1]);
  const rest = late.pieces[0] as Uint8Array;
  assert.deepEqual(seen(decoded(rest)), seen(decoded(header.bytes)).slice(1, 2));
});

test("what lies beyond the noted keys stays, and sets no horizon", () => {
  const header = batchOf([
    { key: "a", value: "1" },
    { key: "b", value: null },
    { key: "a", value: "2" },
    { key: "c", value: null },
  ]);
  const result = sieved(header, ["c"], { mappedTo: baseOffset + 3 });
  assert.deepEqual([result.outcome, result.removed, result.horizonMs], ["part", 1, -1]);
  const [bytes] = result.pieces as [Uint8Array];
  assert.equal(new BatchHeader(bytes).hasDeleteHorizon, false);
  assert.deepEqual(seen(decoded(bytes)), seen(decoded(header.bytes)).slice(1));
  assert.equal(sieved(header, ["a", "b", "c"], { mappedTo: baseOffset }).outcome, "whole");
});

test("records without a key go, as in Kafka; control batches stay", () => {
  const header = batchOf([
    { key: null, value: "1" },
    { key: "a", value: "2" },
  ]);
  const result = sieved(header, []);
  assert.deepEqual([result.outcome, result.removed], ["part", 1]);
  assert.equal(sieved(batchOf([{ key: null, value: "1" }]), []).outcome, "none");
  assert.equal(sieved(batchOf([{ key: "a", value: null }], {}, 32), ["a"]).outcome, "whole");
});

test("an empty batch keeps its range and its producer, and can be read and sieved again", () => {
  const header = batchOf(
    [
      { key: "a", value: "1" },
      { key: "b", value: "2" },
    ],
    { producerId: 5, producerEpoch: 1, baseSequence: 9 },
    1,
  );
  assert.equal(sieved(header, ["a", "b"]).outcome, "none");
  const bytes = emptyBatch(header, twin);
  assert.equal(bytes.length, 61);
  const empty = new BatchHeader(bytes);
  assert.deepEqual(
    [empty.baseOffset, empty.lastOffset, empty.recordCount, empty.producerId, empty.producerEpoch, empty.baseSequence],
    [baseOffset, baseOffset + 1, 0, 5, 1, 9],
  );
  assert.deepEqual([empty.codec, empty.maxTimestamp, empty.baseTimestamp], [null, header.maxTimestamp, -1]);
  assert.deepEqual(decoded(bytes), []);
  assert.equal(sieved(empty, []).outcome, "none");
  for (const kernel of kernels) {
    assert.deepEqual(kernel.validPrefix(bytes, baseOffset), {
      ...{ sizeBytes: 61, nextOffset: baseOffset + 2, batchCount: 1, stop: "end" },
    });
  }
});

test("what is too large for one batch without compression becomes several, without a hole", () => {
  const big = "x".repeat(5 * 1024 * 1024);
  const stamp = { producerId: 5, producerEpoch: 1, baseSequence: 2 ** 31 - 2 };
  const header = batchOf([{ key: "a", value: "1" }, ...["b", "c", "d"].map((key) => ({ key, value: big }))], stamp, 1);
  const { pieces, removed } = sieved(header, ["a"]);
  assert.deepEqual([pieces.length, removed], [2, 1]);
  let nextOffset = baseOffset;
  for (const piece of pieces) {
    assert.ok(piece.length <= maxRunBytes);
    const part = new BatchHeader(piece);
    assert.equal(part.baseOffset, nextOffset);
    assert.equal(part.baseSequence, (stamp.baseSequence + nextOffset - baseOffset) % 2 ** 31);
    nextOffset = part.lastOffset + 1;
  }
  assert.equal(nextOffset, header.lastOffset + 1);
  const all = pieces.flatMap((piece) => decoded(piece));
  assert.deepEqual(seen(all), seen(decoded(header.bytes)).slice(1));
});

test("a batch that is damaged, or cannot be opened, is told and not sieved", () => {
  const damaged = batchOf([{ key: "a", value: "1" }]);
  (damaged.bytes as Uint8Array)[70] = 77;
  const map = twin.openOffsetMap(secret, 0);
  assert.ok(map !== null);
  const options = { kernel: twin, decompressor: undefined, map, mappedTo: 10_000, nowMs: 0, deleteRetentionMs: 0 };
  assert.throws(() => sieveBatch(damaged, options), /does not match its CRC-32C/);
  // Not even what it says of itself is believed: that it is a control batch, or beyond what is sieved.
  const control = batchOf([{ key: "a", value: "1" }]);
  (control.bytes as Uint8Array)[22] = 0x30;
  assert.throws(() => sieveBatch(control, options), /does not match its CRC-32C/);
  assert.throws(() => sieveBatch(damaged, { ...options, mappedTo: 0 }), /does not match its CRC-32C/);
  assert.throws(() => sieveBatch(batchOf([{ key: "a", value: "1" }], {}, 1), options), /no decompressor/);
  map.close();
});

test("no horizon is set where a record's time could not be written against it", () => {
  const header = batchOf([
    { key: "a", value: null },
    { key: "b", value: "1" },
  ]);
  const view = new DataView(header.bytes.buffer);
  view.setBigInt64(27, -(2n ** 53n) + 1n);
  view.setUint32(17, twin.crc32c(header.bytes.subarray(21)));
  assert.deepEqual(sieved(header, []), { outcome: "whole", pieces: [], removed: 0, horizonMs: -1 });
});

test("varints are written as the kernel reads them", () => {
  const numbers = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -70, max: 70 }), fc.integer());
  fc.assert(
    fc.property(numbers, fc.nat(7), (value, at) => {
      const bytes = new Uint8Array(20);
      const end = writeVarlong(bytes, at, value);
      assert.equal(end - at, varlongBytes(value));
      let zigzag = 0n;
      for (let position = at; position < end; position++) {
        const byte = bytes[position] as number;
        assert.equal(byte >= 128, position < end - 1);
        zigzag |= BigInt(byte & 127) << BigInt(7 * (position - at));
      }
      assert.equal(Number((zigzag >> 1n) ^ -(zigzag & 1n)), value);
    }),
  );
});

test("a compressed and an uncompressed batch are sieved alike, by both kernels", () => {
  const record = fc.record({
    key: fc.constantFrom("a", "b", "c", "d"),
    value: fc.option(fc.string({ maxLength: 20 }), { freq: 3 }),
    timestamp: fc.nat(2 ** 41),
  });
  const outcomes = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 8 }),
      fc.subarray(["a", "b", "c", "d"]),
      (records, later) => {
        const plain = sieved(batchOf(records), later);
        outcomes.set(plain.outcome, (outcomes.get(plain.outcome) ?? 0) + 1);
        for (const kernel of kernels) {
          const packed = sieved(batchOf(records, {}, 1), later, {}, kernel);
          assert.deepEqual({ ...packed, pieces: [] }, { ...plain, pieces: [] });
          assert.deepEqual(
            packed.pieces.map((piece) => [...piece]),
            plain.pieces.map((piece) => [...piece]),
          );
        }
        const latest = new Map(records.map(({ key }, at) => [key, at]));
        const expected = records.flatMap(({ key }, at) =>
          latest.get(key) === at && !later.includes(key) ? [baseOffset + at] : [],
        );
        if (plain.outcome !== "whole") {
          assert.deepEqual(
            plain.pieces.flatMap((piece) => decoded(piece)).map(({ offset }) => offset),
            expected,
          );
        } else assert.equal(expected.length, records.length);
      },
    ),
    { numRuns: 600 },
  );
  for (const outcome of ["whole", "part", "none"])
    assert.ok((outcomes.get(outcome) ?? 0) > 15, `${outcome}: ${outcomes.get(outcome)}`);
});
