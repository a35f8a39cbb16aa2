// Record batches for the kernel's tests: honest ones, and ones that lie in every field.
//
// Owns: a writer that does as it is told (the encoder under test never lies), and what
//   fast-check draws. Never: asserts.

import fc from "fast-check";
import { at, logOverheadBytes } from "./batch-layout.ts";
import type { RecordToEncode } from "./kernel.ts";
import { crc32cOf } from "./twin/crc32c.ts";

export interface BatchFields {
  readonly baseOffset: bigint;
  readonly leaderEpoch: number;
  readonly magic: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: bigint;
  readonly maxTimestamp: bigint;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

export const plainFields: BatchFields = {
  baseOffset: 0n,
  leaderEpoch: -1,
  magic: 2,
  attributes: 0,
  lastOffsetDelta: 0,
  baseTimestamp: 1_000n,
  maxTimestamp: 1_000n,
  producerId: -1n,
  producerEpoch: -1,
  baseSequence: -1,
  recordCount: 1,
};

/** A batch with these fields, whatever they claim, around these bytes; length and checksum are right. */
export function assembleBatch(fields: Partial<BatchFields>, records: Uint8Array): Uint8Array {
  const all = { ...plainFields, ...fields };
  const bytes = new Uint8Array(at.records + records.length);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(at.baseOffset, all.baseOffset);
  view.setInt32(at.batchLength, bytes.length - logOverheadBytes);
  view.setInt32(at.leaderEpoch, all.leaderEpoch);
  view.setInt8(at.magic, all.magic);
  view.setInt16(at.attributes, all.attributes);
  view.setInt32(at.lastOffsetDelta, all.lastOffsetDelta);
  view.setBigInt64(at.baseTimestamp, all.baseTimestamp);
  view.setBigInt64(at.maxTimestamp, all.maxTimestamp);
  view.setBigInt64(at.producerId, all.producerId);
  view.setInt16(at.producerEpoch, all.producerEpoch);
  view.setInt32(at.baseSequence, all.baseSequence);
  view.setInt32(at.recordCount, all.recordCount);
  bytes.set(records, at.records);
  sealBatch(bytes);
  return bytes;
}

/** Makes the checksum of one batch right again. */
export function sealBatch(batch: Uint8Array): void {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  view.setUint32(at.checksum, crc32cOf(batch, at.attributes, batch.length, 0));
}

/** Zigzag, as long as needed, or padded with empty groups to `minimumBytes`. */
export function varint(value: bigint | number, minimumBytes = 1): number[] {
  const signed = BigInt(value);
  let rest = BigInt.asUintN(64, (signed << 1n) ^ (signed >> 63n));
  const bytes: number[] = [];
  do {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  } while (rest > 0n || bytes.length < minimumBytes);
  bytes.push((bytes.pop() as number) & 127);
  return bytes;
}

export interface RecordFields {
  readonly timestampDelta: bigint;
  readonly offsetDelta: number;
  readonly keyLength: number;
  readonly key: readonly number[];
  readonly valueLength: number;
  readonly value: readonly number[];
  readonly headerCount: number;
  readonly headers: readonly number[];
  /** Added to the record's true length. */
  readonly lengthError: number;
  /** Fewest bytes of each varint: length, timestamp, offset, key length, value length, header count. */
  readonly widths: readonly number[];
}

export function assembleRecord(fields: Partial<RecordFields>): number[] {
  const [length, timestamp, offset, key, value, headers] = fields.widths ?? [];
  const body = [
    0,
    ...varint(fields.timestampDelta ?? 0n, timestamp),
    ...varint(fields.offsetDelta ?? 0, offset),
    ...varint(fields.keyLength ?? fields.key?.length ?? -1, key),
    ...(fields.key ?? []),
    ...varint(fields.valueLength ?? fields.value?.length ?? -1, value),
    ...(fields.value ?? []),
    ...varint(fields.headerCount ?? 0, headers),
    ...(fields.headers ?? []),
  ];
  return [...varint(body.length + (fields.lengthError ?? 0), length), ...body];
}

export function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let position = 0;
  for (const piece of pieces) {
    joined.set(piece, position);
    position += piece.length;
  }
  return joined;
}

export const content: fc.Arbitrary<Uint8Array | null> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 24 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 60, maxLength: 300 }) },
);

export const timestamp: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  fc.integer({ min: 0, max: 200 }),
  fc.constantFrom(0, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53 - 2),
);

export const recordsToEncode: fc.Arbitrary<RecordToEncode[]> = fc.array(
  fc.record({
    key: content,
    value: content,
    headers: fc.array(fc.tuple(fc.uint8Array({ maxLength: 5 }), content), { maxLength: 3 }),
    timestamp,
  }),
  { minLength: 1, maxLength: 12, size: "medium" },
);

const edgeInt32 = fc.oneof(
  fc.integer({ min: -3, max: 12 }),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 2 ** 30, 127, 128),
);
const edgeInt64 = fc.oneof(
  fc.bigInt({ min: -3n, max: 2_000n }),
  fc.constantFrom(
    -(2n ** 63n),
    2n ** 63n - 1n,
    2n ** 53n - 1n,
    2n ** 53n,
    -(2n ** 53n) + 1n,
    -(2n ** 53n),
    2n ** 32n,
    2n ** 54n,
  ),
);

const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc
    .option(arbitrary, { nil: undefined, freq: 12 })
    .chain((drawn) => fc.nat(24).map((die) => (die === 0 ? drawn : undefined)));

function defined<T extends object>(fields: T): Partial<{ [K in keyof T]: Exclude<T[K], undefined> }> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

const lyingRecord = fc
  .record({
    timestampDelta: fc.oneof(fc.bigInt({ min: -900n, max: 10_000n }), rarely(edgeInt64)),
    key: fc.option(fc.array(fc.nat(255), { maxLength: 6 }), { nil: undefined }),
    value: fc.option(fc.array(fc.nat(255), { maxLength: 6 }), { nil: undefined }),
    headerCount: rarely(edgeInt32),
    headers: rarely(fc.array(fc.nat(9), { maxLength: 6 })),
    offsetDelta: rarely(edgeInt32),
    keyLength: rarely(edgeInt32),
    valueLength: rarely(edgeInt32),
    lengthError: rarely(edgeInt32),
  })
  .map(defined);

const piece = fc.option(
  fc
    .oneof(fc.constantFrom(0, 1, 62, 63, 64, 65, 127, 128), fc.constantFrom(8_190, 8_191, 8_192), fc.nat(40))
    .chain((length) => fc.nat(255).map((byte) => new Array<number>(length).fill(byte))),
  { nil: undefined },
);
const width = fc.oneof(
  { weight: 6, arbitrary: fc.constant(1) },
  fc.integer({ min: 2, max: 4 }),
  fc.integer({ min: 5, max: 11 }),
);

/** Records whose varints take any number of bytes, most of them a legal one. */
export const paddedRecords: fc.Arbitrary<{ bytes: Uint8Array; count: number }> = fc
  .array(
    fc.record({
      timestampDelta: fc.oneof(
        fc.constantFrom(0n, 63n, 64n, -64n, -65n, 8_191n, 8_192n),
        fc.bigInt(-(2n ** 21n), 2n ** 21n),
      ),
      key: piece,
      value: piece,
      widths: fc.tuple(width, width, width, width, width, width),
      lengthError: rarely(fc.integer({ min: -2, max: 2 })).map((error) => error ?? 0),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((records) => ({
    bytes: Uint8Array.from(
      records.flatMap((record, offsetDelta) => assembleRecord(defined({ offsetDelta, ...record }))),
    ),
    count: records.length,
  }));

/** Record bytes that are mostly well formed, with the number they mean to hold. */
export const lyingRecords: fc.Arbitrary<{ bytes: Uint8Array; count: number }> = fc
  .tuple(
    fc.array(lyingRecord, { minLength: 1, maxLength: 5 }),
    rarely(fc.uint8Array({ maxLength: 12 })),
    rarely(edgeInt32),
  )
  .map(([records, tail, count]) => ({
    bytes: Uint8Array.from([
      ...records.flatMap((record, offsetDelta) => assembleRecord({ offsetDelta, ...record })),
      ...(tail ?? []),
    ]),
    count: count ?? records.length,
  }));

/** A batch with a right checksum, and lies in few enough places that most checks are reached. */
export const lyingBatch: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    lyingRecords,
    fc
      .record({
        baseOffset: rarely(edgeInt64),
        leaderEpoch: rarely(edgeInt32),
        magic: rarely(fc.integer({ min: -128, max: 127 })),
        attributes: rarely(fc.oneof(fc.nat(0x7f), fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 }))),
        lastOffsetDelta: rarely(edgeInt32),
        baseTimestamp: rarely(edgeInt64),
        maxTimestamp: rarely(edgeInt64),
        recordCount: rarely(edgeInt32),
      })
      .map(defined),
    fc.oneof(
      { weight: 12, arbitrary: fc.constant({}) },
      fc.record({
        producerId: edgeInt64,
        producerEpoch: fc.integer({ min: -2, max: 3 }),
        baseSequence: edgeInt32,
      }),
    ),
  )
  .map(([records, fields, producer]) =>
    assembleBatch(
      { recordCount: records.count, lastOffsetDelta: records.count - 1, ...fields, ...producer },
      records.bytes,
    ),
  );

export interface Damage {
  /** Where, as a fraction of the run. */
  readonly place: number;
  /** A flip hits this byte of the header of the batch at that place, or the place itself. */
  readonly headerByte: number | null;
  readonly flip: number;
  readonly cut: boolean;
  /** Whether the checksum is made right again after a flip. */
  readonly seal: boolean;
}

export const damage: fc.Arbitrary<Damage | null> = fc.option(
  fc.record({
    place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    headerByte: fc.oneof(fc.constant(null), fc.constantFrom(8, 9, 10, 11), fc.nat(60)),
    flip: fc.integer({ min: 1, max: 255 }),
    cut: fc.nat(3).map((die) => die === 0),
    seal: fc.boolean(),
  }),
  { freq: 2 },
);

/** The batches one behind the other, with the damage done to one of them. */
export function damagedRun(batches: readonly Uint8Array[], done: Damage | null): Uint8Array {
  const copies = batches.map((batch) => batch.slice());
  const size = copies.reduce((sum, batch) => sum + batch.length, 0);
  let place = done === null ? size : Math.floor(done.place * size);
  if (done !== null && !done.cut) {
    for (const batch of copies) {
      if (place < batch.length) {
        const hit = done.headerByte ?? place;
        batch[hit] = (batch[hit] as number) ^ done.flip;
        if (done.seal) sealBatch(batch);
        break;
      }
      place -= batch.length;
    }
  }
  const run = concatenate(copies);
  return done?.cut ? run.subarray(0, place) : run;
}
