// What both kernels promise, on examples and against naive models.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  assembleBatch,
  assembleRecord,
  type BatchFields,
  concatenate,
  damage,
  damagedRun,
  lyingBatch,
  lyingRecords,
  recordsToEncode,
  sealBatch,
  varint,
} from "./arbitraries.test.support.ts";
import { at, smallestRecordBytes } from "./batch-layout.ts";
import { type BatchFault, field, type IndexTable, type Kernel, type PrepareOptions, recordStride } from "./kernel.ts";
import { createTwinKernel } from "./twin.ts";
import { loadWasmKernel } from "./wasm.ts";

const utf8 = new TextEncoder();
const options: PrepareOptions = { baseOffset: 0, leaderEpoch: 0, maxBatchBytes: 1 << 20, appendTimeMs: -1 };

const kernels: Kernel[] = [createTwinKernel(), await loadWasmKernel()];

for (const kernel of kernels) {
  test(`${kernel.name}: a checksum or a key's hash leaves a prepared run as it is`, () => {
    // log.ts makes a producer snapshot, with its checksum, between preparing a run and writing it.
    const encoded = kernel.encodeBatch([{ key: null, value: new Uint8Array(3000).fill(7), headers: [], timestamp: 1 }]);
    const prepared = kernel.prepareRun(encoded.slice(), {
      baseOffset: 5,
      leaderEpoch: 1,
      maxBatchBytes: 10_000,
      appendTimeMs: -1,
    });
    assert.ok(prepared.ok);
    const before = prepared.bytes.slice();
    kernel.crc32c(new Uint8Array(1_000_000).fill(9));
    kernel.murmur2(new Uint8Array(10_000).fill(9));
    assert.deepEqual(prepared.bytes, before);
  });

  const it = (what: string, run: () => void): void => void test(`${kernel.name}: ${what}`, run);

  it("crc32c gives the known vectors (RFC 3720 B.4)", () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);
    assert.equal(kernel.crc32c(utf8.encode("123456789")), 0xe3069283);
    assert.equal(kernel.crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(kernel.crc32c(new Uint8Array(32).fill(255)), 0x62a8ab43);
    assert.equal(kernel.crc32c(ascending), 0x46dd794e);
    assert.equal(kernel.crc32c(ascending.slice().reverse()), 0x113fdb5c);
    assert.equal(kernel.crc32c(new Uint8Array(0)), 0);
    assert.equal(kernel.crc32c(new Uint8Array(0), 0x12345678), 0x12345678);
  });

  it("crc32c is the remainder taken bit by bit, over lengths, alignments and seeds", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(17),
        fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
        (bytes, skip, seed) => {
          const piece = bytes.subarray(skip);
          assert.equal(kernel.crc32c(piece, seed), bitwiseCrc32c(piece, seed));
        },
      ),
      { numRuns: 300 },
    );
    const long = Uint8Array.from({ length: 70_001 }, (_, index) => (index * 167 + (index >>> 7)) & 255);
    assert.equal(kernel.crc32c(long.subarray(3)), bitwiseCrc32c(long.subarray(3), 0));
  });

  it("crc32c continues from a seed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, cut) => {
        const first = kernel.crc32c(bytes.subarray(0, cut));
        assert.equal(kernel.crc32c(bytes.subarray(cut), first), kernel.crc32c(bytes));
      }),
      { numRuns: 100 },
    );
  });

  it("murmur2 gives Kafka's vectors", () => {
    for (const [key, hash] of [
      ["21", -973932308],
      ["foobar", -790332482],
      ["a-little-bit-long-string", -985981536],
      ["a-little-bit-longer-string", -1486304829],
      ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
      ["abc", 479470107],
    ] as const) {
      assert.equal(kernel.murmur2(utf8.encode(key)), hash, key);
    }
  });

  it("what encodeBatch writes, prepareRun accepts and indexRecords gives back", () => {
    fc.assert(
      fc.property(recordsToEncode, (records) => {
        const batch = kernel.encodeBatch(records).slice();
        const run = kernel.prepareRun(batch, options);
        assert.ok(run.ok, JSON.stringify(run));
        assert.deepEqual([run.batchCount, run.recordCount], [1, records.length]);

        const body = batch.slice(at.records);
        const index = kernel.indexRecords(body, records.length);
        assert.ok(index.ok, JSON.stringify(index));
        assert.equal(index.count, records.length);
        records.forEach((record, place) => {
          const column = (name: keyof typeof field): number =>
            index.fields[place * recordStride + field[name]] as number;
          const piece = (position: number, length: number): Uint8Array | null =>
            length === -1 ? null : body.slice(position, position + length);
          assert.equal(column("offsetDelta"), place);
          assert.equal(index.timestampDeltas[place], record.timestamp - (records[0]?.timestamp ?? 0));
          assert.deepEqual(piece(column("keyPosition"), column("keyLength")), record.key);
          assert.deepEqual(piece(column("valuePosition"), column("valueLength")), record.value);
          assert.equal(column("headerCount"), record.headers.length);
          const headers = body.slice(column("headersPosition"), column("recordEnd"));
          assert.deepEqual(
            headers,
            Uint8Array.from(
              record.headers.flatMap(([name, value]) => [
                ...varint(name.length),
                ...name,
                ...varint(value?.length ?? -1),
                ...(value ?? []),
              ]),
            ),
          );
        });
      }),
      { numRuns: 300 },
    );
  });

  it("encodeBatch writes the header of the contract", () => {
    const record = { key: null, value: utf8.encode("v"), headers: [] };
    const batch = kernel.encodeBatch(
      [
        { ...record, timestamp: 2_000 },
        { ...record, timestamp: 9_000 },
        { ...record, timestamp: 1_000 },
      ],
      { producerId: 2 ** 40 + 5, producerEpoch: 3, baseSequence: 17 },
    );
    const expected: Partial<BatchFields> = {
      lastOffsetDelta: 2,
      recordCount: 3,
      baseTimestamp: 2_000n,
      maxTimestamp: 9_000n,
      producerId: 2n ** 40n + 5n,
      producerEpoch: 3,
      baseSequence: 17,
    };
    const value = [118];
    const records = [0n, 7_000n, -1_000n].flatMap((timestampDelta, offsetDelta) =>
      assembleRecord({ timestampDelta, offsetDelta, value }),
    );
    assert.deepEqual(batch.slice(), assembleBatch(expected, Uint8Array.from(records)));
  });

  it("encodeBatch refuses what no batch can hold", () => {
    const record = { key: null, value: null, headers: [] };
    assert.throws(() => kernel.encodeBatch([]), RangeError);
    for (const timestamp of [-1, 0.5, 2 ** 53, Number.NaN]) {
      assert.throws(() => kernel.encodeBatch([{ ...record, timestamp }]), RangeError);
    }
    const half = new Uint8Array(8 * 1024 * 1024);
    assert.throws(() => kernel.encodeBatch([{ ...record, key: half, value: half, timestamp: 0 }]), RangeError);
  });

  it("encodeColumns writes what is in the columns, as encodeBatch would", () => {
    const records = [
      { key: utf8.encode("k1"), value: utf8.encode("first"), headers: [], timestamp: 1_000 },
      { key: null, value: new Uint8Array(0), headers: [[utf8.encode("h"), null] as const], timestamp: 900 },
      { key: new Uint8Array(0), value: null, headers: [], timestamp: 1_001 },
    ];
    const stamp = { producerId: 7, producerEpoch: 1, baseSequence: 3 };
    const expected = kernel.encodeBatch(records, stamp).slice();
    const { bytes, lengths, timestamps } = kernel.columns();
    bytes.set(utf8.encode("k1firsth"));
    lengths.set([2, 5, 0, -1, 0, 1, 1, -1, 0, -1, 0]);
    timestamps.set([1_000, 900, 1_001]);
    assert.deepEqual(kernel.encodeColumns(3, stamp).slice(), expected);
    assert.deepEqual(kernel.encodeColumns(1).slice(), kernel.encodeBatch(records.slice(0, 1)).slice());
    assert.equal(kernel.columns().bytes, bytes, "the same memory each time");
    // Headers that leave the next record no room for its lengths.
    lengths.fill(0);
    lengths[2] = (lengths.length - 4) / 2;
    timestamps.fill(0, 0, 2);
    assert.ok(kernel.encodeColumns(1).length > lengths.length - 4);
    assert.throws(() => kernel.encodeColumns(2), RangeError);
    for (const count of [0, -1, timestamps.length + 1]) assert.throws(() => kernel.encodeColumns(count), RangeError);
  });

  it("inputs over the scratch are a RangeError", () => {
    const huge = new Uint8Array(16 * 1024 * 1024 + 1);
    assert.throws(() => kernel.crc32c(huge), RangeError);
    assert.throws(() => kernel.prepareRun(huge, options), RangeError);
    assert.throws(() => kernel.prepareRun([huge.subarray(1), huge.subarray(0, 1)], options), RangeError);
    assert.throws(() => kernel.validPrefix(huge, 0), RangeError);
    assert.throws(() => kernel.indexRecords(huge, 1), RangeError);
    assert.throws(() => kernel.indexBatch(huge), RangeError);
    assert.throws(() => kernel.murmur2(huge), RangeError);
  });

  it("prepareRun stamps dense base offsets and the leader epoch, and touches nothing else", () => {
    const pieces = [1, 3, 2].map((count) =>
      assembleBatch(
        { recordCount: count, lastOffsetDelta: count - 1, baseOffset: 77n, leaderEpoch: 5 },
        Uint8Array.from(Array.from({ length: count }, (_, offsetDelta) => assembleRecord({ offsetDelta })).flat()),
      ),
    );
    const given = concatenate(pieces);
    const before = given.slice();
    const baseOffset = 2 ** 40 + 9;
    const run = kernel.prepareRun(given, { ...options, baseOffset, leaderEpoch: 12 });
    assert.ok(run.ok);
    assert.deepEqual([run.batchCount, run.recordCount], [3, 6]);
    assert.deepEqual(given, before, "the caller's bytes are its own");
    let recordCount = 0;
    const expected = concatenate(
      pieces.map((piece) => {
        const view = new DataView(piece.buffer);
        view.setBigInt64(at.baseOffset, BigInt(baseOffset + recordCount));
        view.setInt32(at.leaderEpoch, 12);
        recordCount += view.getInt32(at.recordCount);
        return piece;
      }),
    );
    assert.deepEqual(run.bytes.slice(), expected);
  });

  it("prepareRun mends a wrong maximum timestamp and the checksum with it", () => {
    const records = [0n, 50n, -20n].flatMap((timestampDelta, offsetDelta) =>
      assembleRecord({ timestampDelta, offsetDelta }),
    );
    const fields = { recordCount: 3, lastOffsetDelta: 2, leaderEpoch: 0 };
    for (const wrong of [1_000n, -1n, 2n ** 53n - 1n]) {
      const run = kernel.prepareRun(
        assembleBatch({ ...fields, maxTimestamp: wrong }, Uint8Array.from(records)),
        options,
      );
      assert.ok(run.ok);
      assert.deepEqual(run.bytes.slice(), assembleBatch({ ...fields, maxTimestamp: 1_050n }, Uint8Array.from(records)));
    }
    // What is compressed can't be looked at.
    const compressed = assembleBatch({ ...fields, attributes: 1, maxTimestamp: 7n }, Uint8Array.of(1, 2, 3));
    const run = kernel.prepareRun(compressed, options);
    assert.ok(run.ok);
    assert.deepEqual(run.bytes.slice(), compressed);
  });

  it("prepareRun writes LogAppendTime when asked, and takes a client's claim of it away when not", () => {
    const records = Uint8Array.from(assembleRecord({}));
    for (const attributes of [0, 8, 1, 0x71]) {
      const given = assembleBatch({ attributes, leaderEpoch: 0 }, records);
      const stamped = kernel.prepareRun(given, { ...options, appendTimeMs: 1_700_000_000_000 });
      assert.ok(stamped.ok);
      assert.deepEqual(
        stamped.bytes.slice(),
        assembleBatch({ attributes: attributes | 8, leaderEpoch: 0, maxTimestamp: 1_700_000_000_000n }, records),
      );
      const kept = kernel.prepareRun(given, options);
      assert.ok(kept.ok);
      assert.deepEqual(kept.bytes.slice(), assembleBatch({ attributes: attributes & ~8, leaderEpoch: 0 }, records));
    }
  });

  it("prepareRun names each fault, and where the batch begins", () => {
    const whole = Uint8Array.from(assembleRecord({}));
    const good = assembleBatch({}, whole);
    const withByte = (position: number, byte: number): Uint8Array => {
      const copy = good.slice();
      copy[position] = byte;
      return copy;
    };
    const record = (fields: Parameters<typeof assembleRecord>[0]): Uint8Array =>
      assembleBatch({}, Uint8Array.from(assembleRecord(fields)));
    const batch = (fields: Partial<BatchFields>): Uint8Array => assembleBatch(fields, whole);
    const raw = (...bytes: number[]): Uint8Array => assembleBatch({}, Uint8Array.from(bytes));
    const far = 2n ** 53n - 1n;

    const cases: [string, BatchFault, Uint8Array][] = [
      ["nothing", "truncated", new Uint8Array(0)],
      ["a piece of a header", "truncated", good.subarray(0, 60)],
      ["a piece of a batch", "truncated", good.subarray(0, good.length - 1)],
      ["a trailing byte", "truncated", Uint8Array.of(0)],
      ["a length of less than a header", "length", withByte(at.batchLength + 3, 48)],
      ["a negative length", "length", withByte(at.batchLength, 0x80)],
      ["a length of 2 GiB", "too-large", withByte(at.batchLength, 0x7f)],
      ["magic 1", "magic", withByte(at.magic, 1)],
      ["a flipped bit", "checksum", withByte(good.length - 1, 2)],
      ["a flipped checksum", "checksum", withByte(at.checksum, 1 ^ (good[at.checksum] as number))],
      ["codec 5", "attributes", batch({ attributes: 5 })],
      ["bit 7", "attributes", batch({ attributes: 0x80 })],
      ["the sign bit", "attributes", batch({ attributes: -(2 ** 15) })],
      ["an unsafe base timestamp", "timestamp", batch({ baseTimestamp: far + 1n })],
      ["an unsafe negative base timestamp", "timestamp", batch({ baseTimestamp: -far - 1n })],
      ["an unsafe maximum timestamp", "timestamp", batch({ maxTimestamp: 2n ** 63n - 1n })],
      ["an unsafe timestamp delta", "timestamp", record({ timestampDelta: far + 1n })],
      ["an unsafe record timestamp", "timestamp", record({ timestampDelta: far - 999n })],
      ["a producer id alone", "producer", batch({ producerId: 5n })],
      ["no epoch", "producer", batch({ producerId: 5n, baseSequence: 0 })],
      ["no sequence", "producer", batch({ producerId: 5n, producerEpoch: 0 })],
      ["an unsafe producer id", "producer", batch({ producerId: far + 1n, producerEpoch: 0, baseSequence: 0 })],
      ["a producer id of -2", "producer", batch({ producerId: -2n, producerEpoch: -1, baseSequence: -1 })],
      ["no records", "count", assembleBatch({ recordCount: 0, lastOffsetDelta: -1 }, new Uint8Array(0))],
      ["a negative count", "count", batch({ recordCount: -1, lastOffsetDelta: -2 })],
      ["a count of 2^31 - 1", "count", batch({ recordCount: 2 ** 31 - 1, lastOffsetDelta: 2 ** 31 - 2 })],
      ["a delta that is not the count", "count", batch({ lastOffsetDelta: 1 })],
      [
        "one record too many",
        "count",
        assembleBatch({}, concatenate([whole, Uint8Array.from(assembleRecord({ offsetDelta: 1 }))])),
      ],
      [
        "one record too few",
        "count",
        assembleBatch(
          { recordCount: 2, lastOffsetDelta: 1 },
          Uint8Array.from(assembleRecord({ value: [1, 2, 3, 4, 5, 6, 7] })),
        ),
      ],
      ["offset deltas that skip", "record", record({ offsetDelta: 1 })],
      ["a record that is short of its length", "record", record({ lengthError: 1 })],
      ["a record that is over its length", "record", record({ lengthError: -1 })],
      ["a key that leaves its record", "record", record({ keyLength: 100 })],
      ["a value length of -2", "record", record({ valueLength: -2 })],
      ["a key length of 2^31 - 1", "record", record({ keyLength: 2 ** 31 - 1 })],
      ["a negative header count", "record", record({ headerCount: -1 })],
      ["2^31 - 1 headers", "record", record({ headerCount: 2 ** 31 - 1 })],
      ["a null header key", "record", record({ headerCount: 1, headers: [1, 1] })],
      ["a null header key, and no more", "record", record({ headerCount: 1, headers: [1] })],
      ["a header value length of -2", "record", record({ headerCount: 1, headers: [0, 3] })],
      ["a record of length 0", "record", raw(0, 0, 0, 0, 0, 0, 0)],
      ["a varint of six bytes", "record", raw(0x8e, 0x80, 0x80, 0x80, 0x80, 0x00, 0, 0, 0, 1, 1, 0)],
      ["a varint of 33 bits", "record", raw(0x8e, 0x80, 0x80, 0x80, 0x10, 0, 0, 0, 1, 1, 0)],
      [
        "a varlong of 65 bits",
        "record",
        raw(30, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02, 0, 1, 1, 0),
      ],
      ["a varint cut short", "record", raw(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80)],
    ];
    for (const [what, fault, bytes] of cases) {
      assert.deepEqual(kernel.prepareRun(bytes, options), { ok: false, fault, position: 0 }, what);
      if (bytes.length === 0) continue;
      const behind = concatenate([good, good, bytes]);
      const position = good.length * 2;
      assert.deepEqual(
        kernel.prepareRun(behind, options),
        { ok: false, fault, position },
        `${what}, behind two good ones`,
      );
    }
    const large = { ...options, maxBatchBytes: good.length - 1 };
    assert.deepEqual(kernel.prepareRun(good, large), { ok: false, fault: "too-large", position: 0 });
    assert.ok(kernel.prepareRun(good, { ...options, maxBatchBytes: good.length }).ok);
    const atTheEnd = { ...options, baseOffset: Number.MAX_SAFE_INTEGER };
    assert.deepEqual(kernel.prepareRun(good, atTheEnd), { ok: false, fault: "count", position: 0 });
  });

  it("prepareRun accepts what is unusual but legal", () => {
    const far = 2n ** 53n - 1n;
    const padded = [0, ...varint(0, 10), ...varint(0, 5), ...varint(-1, 5), ...varint(-1, 5), ...varint(0, 5)];
    for (const [what, bytes] of [
      ["varints longer than needed", assembleBatch({}, Uint8Array.from([...varint(padded.length, 5), ...padded]))],
      ["record attributes", assembleBatch({}, Uint8Array.of(12, 255, 0, 0, 1, 1, 0))],
      ["a control batch of a transaction", assembleBatch({ attributes: 0x30 }, Uint8Array.from(assembleRecord({})))],
      ["a delete horizon", assembleBatch({ attributes: 0x40 }, Uint8Array.from(assembleRecord({})))],
      [
        "an epoch and a sequence of nobody",
        assembleBatch({ producerEpoch: 0, baseSequence: 0 }, Uint8Array.from(assembleRecord({}))),
      ],
      ["no timestamp", assembleBatch({ baseTimestamp: -1n, maxTimestamp: -1n }, Uint8Array.from(assembleRecord({})))],
      ["the last safe timestamp", assembleBatch({ baseTimestamp: far }, Uint8Array.from(assembleRecord({})))],
      [
        "the largest delta",
        assembleBatch({ baseTimestamp: 0n }, Uint8Array.from(assembleRecord({ timestampDelta: -far }))),
      ],
      ["every codec", concatenate([1, 2, 3, 4].map((attributes) => assembleBatch({ attributes }, Uint8Array.of(9))))],
    ] as const) {
      const run = kernel.prepareRun(bytes, options);
      assert.ok(run.ok, `${what}: ${JSON.stringify(run)}`);
    }
  });

  it("prepareRun takes a view that the kernel itself returned", () => {
    const record = { key: utf8.encode("k"), value: utf8.encode("v"), headers: [], timestamp: 5 };
    const expected = createTwinKernel().prepareRun(kernel.encodeBatch([record, record]).slice(), {
      ...options,
      baseOffset: 41,
    });
    assert.ok(expected.ok);
    const first = kernel.prepareRun(kernel.encodeBatch([record, record]), { ...options, baseOffset: 41 });
    assert.ok(first.ok);
    assert.deepEqual(first.bytes.slice(), expected.bytes.slice());
    const again = kernel.prepareRun(first.bytes, { ...options, baseOffset: 41 });
    assert.ok(again.ok);
    assert.deepEqual(again.bytes.slice(), expected.bytes.slice());
    assert.equal(first.bytes.buffer, again.bytes.buffer);
    assert.equal(first.bytes.byteOffset, again.bytes.byteOffset, "used where it lies");
    assert.equal(
      kernel.crc32c(again.bytes.subarray(at.attributes)),
      new DataView(expected.bytes.slice().buffer).getUint32(at.checksum),
    );
  });

  it("prepareRun takes a part of a run that the kernel returned, where it lies", () => {
    const one = assembleBatch({}, Uint8Array.from(assembleRecord({})));
    const both = kernel.prepareRun(concatenate([one, one]), options);
    assert.ok(both.ok);
    const part = both.bytes.subarray(one.length);
    const run = kernel.prepareRun(part, { ...options, baseOffset: 99 });
    assert.ok(run.ok);
    assert.deepEqual([run.bytes.buffer === part.buffer, run.bytes.byteOffset], [true, part.byteOffset]);
    assert.equal(new DataView(part.slice().buffer).getBigInt64(at.baseOffset), 99n);
  });

  it("prepareRun takes a run in chunks, wherever they are cut and wherever they lie", () => {
    const cuts = fc.array(fc.nat(), { maxLength: 6 });
    fc.assert(
      fc.property(recordsToEncode, recordsToEncode, cuts, fc.boolean(), (one, other, places, isOwn) => {
        const last = kernel.encodeBatch(other).slice();
        const run = concatenate([kernel.encodeBatch(one).slice(), last]);
        const whole = kernel.prepareRun(isOwn ? concatenate([last, run]) : run, options);
        assert.ok(whole.ok);
        const expected = { ...whole, bytes: whole.bytes.slice() };
        const borders = [0, ...places.map((place) => place % (run.length + 1)).sort((a, b) => a - b), run.length];
        const held = isOwn ? kernel.prepareRun(run, options) : null;
        const source = held?.ok ? held.bytes : run;
        const chunks = borders.slice(1).map((end, at) => source.subarray(borders[at], end));
        // Copied before them, this overwrites what the kernel itself returned, unless it takes care.
        if (isOwn) chunks.unshift(last);
        const kept = run.slice();
        const inChunks = kernel.prepareRun(chunks, options);
        assert.ok(inChunks.ok);
        assert.deepEqual({ ...inChunks, bytes: inChunks.bytes.slice() }, expected);
        assert.deepEqual(run, kept, "the caller's bytes stay as they were");
      }),
    );
    assert.deepEqual(kernel.prepareRun([], options), { ok: false, fault: "truncated", position: 0 });
  });

  it("alignedMemory is zeroed memory of its own, each time", () => {
    const one = kernel.alignedMemory(100_000);
    const other = kernel.alignedMemory(100_000);
    assert.equal(one.length, 100_000);
    assert.ok(one.every((byte) => byte === 0));
    assert.equal(one.byteOffset % 64, 0);
    one.fill(1);
    assert.ok(other.every((byte) => byte === 0));
    const batch = kernel.encodeBatch([{ key: null, value: utf8.encode("v"), headers: [], timestamp: 5 }]).slice();
    assert.ok(kernel.prepareRun(batch, options).ok);
    assert.ok(one.every((byte) => byte === 1));
  });

  it("encodeBatch takes keys and values that lie in the kernel's own memory", () => {
    fc.assert(
      fc.property(recordsToEncode, recordsToEncode, fc.boolean(), (records, others, isPrepared) => {
        const expected = kernel.encodeBatch([...others, ...records]).slice();
        let held = kernel.encodeBatch(records);
        if (isPrepared) {
          const run = kernel.prepareRun(held.slice(), options);
          assert.ok(run.ok);
          held = run.bytes;
        }
        // Where each record's pieces lie is asked of another kernel, so that `held` stays valid.
        const index = createTwinKernel().indexRecords(held.slice(at.records), records.length);
        assert.ok(index.ok);
        const own = records.map((record, place) => {
          const piece = (position: number, length: number): Uint8Array | null => {
            const start = (index.fields[place * recordStride + position] as number) + at.records;
            const size = index.fields[place * recordStride + length] as number;
            return size === -1 ? null : held.subarray(start, start + size);
          };
          return {
            ...record,
            key: piece(field.keyPosition, field.keyLength),
            value: piece(field.valuePosition, field.valueLength),
          };
        });
        assert.deepEqual(kernel.encodeBatch([...others, ...own]).slice(), expected);
      }),
      { numRuns: 100 },
    );
  });

  it("validPrefix stops where the log does", () => {
    const batch = (baseOffset: number, count: number): Uint8Array =>
      assembleBatch(
        { baseOffset: BigInt(baseOffset), recordCount: count, lastOffsetDelta: count - 1 },
        Uint8Array.from(Array.from({ length: count }, (_, offsetDelta) => assembleRecord({ offsetDelta })).flat()),
      );
    const three = concatenate([batch(10, 2), batch(12, 1), batch(20, 3)]);
    const ends = [0, batch(0, 2).length, batch(0, 2).length + batch(0, 1).length, three.length];
    assert.deepEqual(kernel.validPrefix(three, 10), {
      sizeBytes: three.length,
      nextOffset: 23,
      batchCount: 3,
      stop: "end",
    });
    assert.deepEqual(kernel.validPrefix(three, 3), {
      sizeBytes: three.length,
      nextOffset: 23,
      batchCount: 3,
      stop: "end",
    });
    assert.deepEqual(kernel.validPrefix(new Uint8Array(0), 7), {
      sizeBytes: 0,
      nextOffset: 7,
      batchCount: 0,
      stop: "end",
    });
    assert.deepEqual(kernel.validPrefix(three, 11), { sizeBytes: 0, nextOffset: 11, batchCount: 0, stop: "order" });
    for (let cut = 1; cut < three.length; cut++) {
      const whole = ends.filter((end) => end <= cut).length - 1;
      assert.deepEqual(kernel.validPrefix(three.subarray(0, cut), 10), {
        sizeBytes: ends[whole],
        nextOffset: [10, 12, 13][whole],
        batchCount: whole,
        stop: cut === ends[whole] ? "end" : "partial",
      });
    }
    for (let place = 0; place < three.length; place++) {
      const bad = three.slice();
      bad[place] = (bad[place] as number) ^ 0x80;
      const prefix = kernel.validPrefix(bad, 10);
      const whole = ends.filter((end) => end <= place).length - 1;
      const inBatch = place - (ends[whole] as number);
      // Base offset and leader epoch are not summed; a base offset too high is a gap, and its sign bit order.
      if (inBatch >= at.leaderEpoch && inBatch < at.magic) assert.equal(prefix.stop, "end");
      else if (inBatch < at.batchLength) assert.ok(prefix.sizeBytes >= (ends[whole] as number));
      else assert.deepEqual([prefix.sizeBytes, prefix.batchCount], [ends[whole], whole], `byte ${place}`);
    }
    const overlapping = concatenate([batch(10, 2), batch(11, 1)]);
    assert.deepEqual(kernel.validPrefix(overlapping, 10), {
      sizeBytes: ends[1],
      nextOffset: 12,
      batchCount: 1,
      stop: "order",
    });
    const zeros = concatenate([batch(10, 2), new Uint8Array(100)]);
    assert.deepEqual(kernel.validPrefix(zeros, 10), {
      sizeBytes: ends[1],
      nextOffset: 12,
      batchCount: 1,
      stop: "header",
    });
    const claimsTooMuch = batch(10, 1);
    new DataView(claimsTooMuch.buffer).setInt32(at.batchLength, 2 ** 30);
    assert.equal(kernel.validPrefix(claimsTooMuch, 10).stop, "header");
    const unsafe = assembleBatch({ baseOffset: 2n ** 53n - 1n }, Uint8Array.from(assembleRecord({})));
    assert.equal(kernel.validPrefix(unsafe, 0).stop, "order");
    const sealed = batch(10, 1);
    new DataView(sealed.buffer).setInt32(at.lastOffsetDelta, -1);
    sealBatch(sealed);
    assert.equal(kernel.validPrefix(sealed, 10).stop, "header");
  });

  it("hostile bytes give a fault or a run, never a throw", () => {
    fc.assert(
      fc.property(fc.array(lyingBatch, { minLength: 1, maxLength: 3 }), damage, (batches, done) => {
        const given = damagedRun(batches, done);
        const before = given.slice();
        const run = kernel.prepareRun(given, options);
        assert.deepEqual(given, before);
        if (run.ok) {
          // What was accepted is a valid log.
          const prefix = kernel.validPrefix(run.bytes.slice(), 0);
          assert.deepEqual(prefix, {
            sizeBytes: given.length,
            nextOffset: run.recordCount,
            batchCount: run.batchCount,
            stop: "end",
          });
        } else {
          assert.ok(run.position >= 0 && run.position <= given.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("indexRecords never leaves its bytes, nor allocates by a claim", () => {
    fc.assert(
      fc.property(lyingRecords, ({ bytes, count }) => {
        const index = kernel.indexRecords(bytes, count);
        if (!index.ok) return;
        let position = 0;
        for (let place = 0; place < index.count; place++) {
          const column = (name: keyof typeof field): number =>
            index.fields[place * recordStride + field[name]] as number;
          assert.ok(column("keyPosition") > position);
          assert.ok(column("keyPosition") + Math.max(0, column("keyLength")) < column("valuePosition"));
          assert.ok(column("valuePosition") + Math.max(0, column("valueLength")) < column("headersPosition"));
          assert.ok(column("headersPosition") <= column("recordEnd"));
          position = column("recordEnd");
        }
        assert.equal(position, bytes.length);
      }),
      { numRuns: 300 },
    );
    const one = Uint8Array.from(assembleRecord({ offsetDelta: 4 }));
    const two = Uint8Array.from([...one, ...assembleRecord({ offsetDelta: 9 })]);
    assert.equal(one.length, smallestRecordBytes);
    for (const count of [0, -1, 2, 2 ** 31 - 1]) {
      assert.deepEqual(kernel.indexRecords(one, count), { ok: false, fault: "count", position: 0 });
    }
    assert.deepEqual(kernel.indexRecords(two, 1), { ok: false, fault: "count", position: 0 });
    const gapped = kernel.indexRecords(two, 2);
    assert.ok(gapped.ok, "compaction leaves gaps");
    assert.deepEqual([gapped.fields[field.offsetDelta], gapped.fields[recordStride + field.offsetDelta]], [4, 9]);
    const backwards = Uint8Array.from([...one, ...assembleRecord({ offsetDelta: 4 })]);
    assert.deepEqual(kernel.indexRecords(backwards, 2), { ok: false, fault: "record", position: 0 });
  });

  it("indexBatch finds what indexRecords finds, in a batch that is one, whole and as it was", () => {
    const shifted: readonly (keyof typeof field)[] = ["keyPosition", "valuePosition", "headersPosition", "recordEnd"];
    fc.assert(
      fc.property(recordsToEncode, (records) => {
        const batch = kernel.encodeBatch(records).slice();
        const alone = kernel.indexRecords(batch.slice(at.records), records.length);
        assert.ok(alone.ok);
        const fields = alone.fields.slice();
        const timestampDeltas = alone.timestampDeltas.slice();
        for (let place = 0; place < records.length; place++) {
          for (const name of shifted) fields[place * recordStride + field[name]]! += at.records;
        }
        const index = kernel.indexBatch(batch);
        assert.ok(index.ok);
        assert.deepEqual({ ...index }, { ok: true, count: records.length, fields, timestampDeltas });
      }),
      { numRuns: 200 },
    );
    const good = assembleBatch({}, Uint8Array.from(assembleRecord({ value: [1, 2, 3] })));
    const changed = (position: number, value: number, seal = false): Uint8Array => {
      const batch = good.slice();
      batch[position] = value;
      if (seal) sealBatch(batch);
      return batch;
    };
    const cases: readonly (readonly [BatchFault, Uint8Array])[] = [
      ["truncated", new Uint8Array(0)],
      ["truncated", good.subarray(0, at.records - 1)],
      ["truncated", good.subarray(0, good.length - 1)],
      ["truncated", concatenate([good, Uint8Array.of(0)])],
      ["truncated", concatenate([good, good])],
      ["length", changed(at.batchLength, 255)],
      ["length", changed(at.batchLength + 3, 48)],
      ["magic", changed(at.magic, 1)],
      ["checksum", changed(at.checksum, (good[at.checksum] as number) ^ 1)],
      ["checksum", changed(good.length - 1, 9)],
      ["count", changed(at.recordCount, 255, true)],
      ["count", changed(at.recordCount + 3, 0, true)],
      ["count", changed(at.recordCount + 3, 2, true)],
      ["record", changed(at.records, 1, true)],
    ];
    for (const [fault, bytes] of cases) assert.deepEqual(kernel.indexBatch(bytes), { ok: false, fault, position: 0 });

    // What compaction leaves of a batch whose producer must stay known.
    const empty = assembleBatch({ recordCount: 0, lastOffsetDelta: 4 }, new Uint8Array(0));
    const none = kernel.indexBatch(empty);
    assert.ok(none.ok);
    assert.equal(none.count, 0);

    for (const codec of [1, 2, 3, 4, 5, 6, 7]) {
      const compressed = assembleBatch({ attributes: codec, recordCount: 9 }, Uint8Array.of(1, 2, 3));
      const index = kernel.indexBatch(compressed);
      assert.ok(index.ok, "what is compressed is not looked into");
      assert.deepEqual([index.count, index.fields.length, index.timestampDeltas.length], [0, 0, 0]);
      compressed[at.records] = 0;
      assert.deepEqual(kernel.indexBatch(compressed), { ok: false, fault: "checksum", position: 0 });
    }
  });

  it("searchIndex finds what a walk finds, while the table grows and changes", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(8 as const, 12 as const),
        fc.array(fc.tuple(fc.array(fc.nat(40), { maxLength: 200, size: "max" }), fc.boolean()), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.constantFrom(1, 1_000, 40_000_000),
        fc.array(fc.double({ min: -2, max: 2_000, noNaN: true }), { maxLength: 8 }),
        (entrySizeBytes, rounds, scale, places) => {
          const keys: number[] = [];
          const table = { entrySizeBytes, bytes: tableOf([], entrySizeBytes), count: 0, version: 0 };
          for (const [steps, changes] of rounds) {
            if (changes) {
              keys.length = Math.floor(keys.length / 2);
              table.version++;
            }
            for (const step of steps) keys.push(Math.min((keys.at(-1) ?? 0) + step * scale, 2 ** 31 - 1));
            table.bytes = tableOf(keys, entrySizeBytes);
            table.count = keys.length;
            const some = keys.filter((_, place) => place % 9 === 0);
            // The WebAssembly kernel copies a table only after so many searches.
            for (let time = 0; time < 40; time++) kernel.searchIndex(table, time);
            for (const target of [
              ...some,
              ...some.map((key) => key - 1),
              ...places.map((place) => place * scale),
              -Infinity,
              Infinity,
            ]) {
              assert.equal(
                kernel.searchIndex(table, target),
                keys.findLastIndex((key) => key <= target),
              );
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it("searchIndex keeps apart more tables than it can hold, and large ones", () => {
    const tables: IndexTable[] = [];
    for (let place = 0; place < 40; place++) {
      const count = place === 7 ? 3_000_000 : 1_000 * place;
      const bytes = new Uint8Array(count * 8 + 64);
      const view = new DataView(bytes.buffer);
      for (let entry = 0; entry < count; entry++) view.setInt32(entry * 8, entry * 3 + place);
      tables.push({ entrySizeBytes: 8, bytes, count, version: 0 });
    }
    for (const round of [0, 1, 2]) {
      tables.forEach((table, place) => {
        for (let time = 0; time < 400; time++) kernel.searchIndex(table, time);
        for (const entry of [0, 1, table.count >>> 1, table.count - 1]) {
          if (entry < 0 || entry >= table.count) continue;
          assert.equal(kernel.searchIndex(table, entry * 3 + place), entry, `table ${place}, round ${round}`);
          assert.equal(kernel.searchIndex(table, entry * 3 + place - 1), entry - 1);
        }
      });
    }
  });
}

function tableOf(keys: readonly number[], entrySizeBytes: 8 | 12): Uint8Array {
  const bytes = new Uint8Array((keys.length + 3) * entrySizeBytes).fill(255);
  const view = new DataView(bytes.buffer);
  keys.forEach((key, place) => {
    if (entrySizeBytes === 8) view.setInt32(place * 8, key);
    else view.setBigInt64(place * 12, BigInt(key));
  });
  return bytes;
}

function bitwiseCrc32c(bytes: Uint8Array, seed: number): number {
  let crc = ~seed;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}
