import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MoldauError } from "../../../engine/index.ts";
import { maxElements, Reader } from "./reader.ts";
import { utf8Length } from "./utf8.ts";
import { Writer } from "./writer.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const join = (chunks: readonly Uint8Array[]): Uint8Array => Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
const refusal =
  (words: RegExp) =>
  (error: unknown): boolean =>
    error instanceof MoldauError && error.code === "INVALID_REQUEST" && words.test(error.message);

function written(write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer(1);
  write(writer);
  const whole = join(writer.finish());
  strictEqual(whole.length, writer.sizeBytes);
  return whole;
}

/** What lies on the wire, as Kafka's protocol guide has it. */
const layouts: readonly (readonly [
  string,
  (writer: Writer) => void,
  Uint8Array,
  (reader: Reader) => unknown,
  unknown,
])[] = [
  ["int8", (w) => w.int8(-2), bytes(0xfe), (r) => r.int8(), -2],
  ["int16", (w) => w.int16(-2), bytes(0xff, 0xfe), (r) => r.int16(), -2],
  ["int32", (w) => w.int32(0x01020304), bytes(1, 2, 3, 4), (r) => r.int32(), 0x01020304],
  ["uint32", (w) => w.uint32(2 ** 32 - 2), bytes(255, 255, 255, 254), (r) => r.uint32(), 2 ** 32 - 2],
  ["int64", (w) => w.int64(-2), bytes(255, 255, 255, 255, 255, 255, 255, 254), (r) => r.int64(), -2],
  ["int64", (w) => w.int64(2 ** 53 - 1), bytes(0, 0x1f, 255, 255, 255, 255, 255, 255), (r) => r.int64(), 2 ** 53 - 1],
  ["int64", (w) => w.int64(2 ** 32), bytes(0, 0, 0, 1, 0, 0, 0, 0), (r) => r.int64(), 2 ** 32],
  ["bool", (w) => w.bool(true), bytes(1), (r) => r.bool(), true],
  ["unsigned varint", (w) => w.unsignedVarint(300), bytes(0xac, 2), (r) => r.unsignedVarint(), 300],
  [
    "unsigned varint",
    (w) => w.unsignedVarint(2 ** 32 - 1),
    bytes(255, 255, 255, 255, 15),
    (r) => r.unsignedVarint(),
    2 ** 32 - 1,
  ],
  ["varint", (w) => w.varint(-65), bytes(0x81, 1), (r) => r.varint(), -65],
  ["string", (w) => w.string("ö"), bytes(0, 2, 0xc3, 0xb6), (r) => r.string(), "ö"],
  ["nullable string", (w) => w.nullableString(null), bytes(255, 255), (r) => r.nullableString(), null],
  ["compact string", (w) => w.compactString("ö"), bytes(3, 0xc3, 0xb6), (r) => r.compactString(), "ö"],
  ["compact null", (w) => w.nullableCompactString(null), bytes(0), (r) => r.nullableCompactString(), null],
  ["bytes", (w) => w.bytes(bytes(7)), bytes(0, 0, 0, 1, 7), (r) => r.bytes(), bytes(7)],
  ["compact bytes", (w) => w.compactBytes(bytes(7)), bytes(2, 7), (r) => r.compactBytes(), bytes(7)],
  ["null bytes", (w) => w.nullableBytes(null), bytes(255, 255, 255, 255), (r) => r.nullableBytes(), null],
  ["records", (w) => w.records(bytes(7, 8)), bytes(0, 0, 0, 2, 7, 8), (r) => r.records(), bytes(7, 8)],
  [
    "compact records",
    (w) => w.compactRecords([bytes(7), bytes(8)]),
    bytes(3, 7, 8),
    (r) => r.compactRecords(),
    bytes(7, 8),
  ],
  [
    "uuid",
    (w) => w.uuid("000102030405060708090a0b0c0d0eff"),
    bytes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255),
    (r) => r.uuid(),
    "000102030405060708090a0b0c0d0eff",
  ],
];

test("every type lies on the wire as Kafka has it", () => {
  for (const [name, write, layout, read, value] of layouts) {
    deepStrictEqual(written(write), layout, name);
    const reader = new Reader(layout);
    deepStrictEqual(read(reader), value, name);
    strictEqual(reader.remaining, 0, name);
  }
});

test("every type is read across the borders of chunks, empty ones too", () => {
  const all = written((writer) => {
    for (const [, write] of layouts) write(writer);
  });
  const each = new Reader([bytes(), ...[...all].flatMap((byte) => [bytes(byte), bytes()])]);
  for (const [name, , , read, value] of layouts) {
    const got = read(each);
    deepStrictEqual(Array.isArray(got) ? join(got) : got, value, name);
  }
  strictEqual(each.remaining, 0);
});

test("whole numbers come back, whatever they are", () => {
  const safe = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, -1, 0));
  fc.assert(
    fc.property(safe, fc.integer(), fc.nat(), (large, signed, unsigned) => {
      const reader = new Reader(
        written((writer) => {
          writer.int64(large);
          writer.varint(signed);
          writer.unsignedVarint(unsigned);
        }),
      );
      deepStrictEqual([reader.int64(), reader.varint(), reader.unsignedVarint()], [large, signed, unsigned]);
    }),
    { numRuns: 500 },
  );
});

test("what does not fit is refused in words, before anything is made of it", () => {
  const refused: readonly (readonly [Uint8Array, (reader: Reader) => unknown, RegExp])[] = [
    [bytes(0), (r) => r.int16(), /needs 1 bytes, and 0 are left/],
    [bytes(0, 0x20, 0, 0, 0, 0, 0, 0), (r) => r.int64(), /is 9007199254740992: whole numbers end at ±\(2\^53-1\)/],
    [bytes(0x7f, 255, 255, 255, 255, 255, 255, 255), (r) => r.int64(), /is 9223372036854775807/],
    [bytes(0x80, 0, 0, 0, 0, 0, 0, 0), (r) => r.int64(), /is -9223372036854775808/],
    [bytes(255, 255, 255, 255, 16), (r) => r.unsignedVarint(), /more than 32 bits/],
    [bytes(255, 255, 255, 255, 255, 1), (r) => r.unsignedVarint(), /more than 32 bits/],
    [bytes(0, 5, 65), (r) => r.string(), /needs 5 bytes, and 1 are left/],
    [bytes(255, 254), (r) => r.string(), /length of -2/],
    [bytes(255, 255), (r) => r.string(), /is null, and may not be/],
    [bytes(0), (r) => r.compactString(), /is null, and may not be/],
    [bytes(0x82, 0x80, 2), (r) => r.compactString(), /32769 bytes: the longest has 32767/],
    [bytes(0, 1, 0xff), (r) => r.string(), /not UTF-8/],
    [bytes(0, 3, 0xed, 0xa0, 0x80), (r) => r.string(), /not UTF-8/],
    [bytes(0x7f, 255, 255, 255, 1), (r) => r.bytes(), /needs 2147483647 bytes/],
    [bytes(255, 255, 255, 254), (r) => r.bytes(), /length of -2/],
    [bytes(0x7f, 255, 255, 255, 1), (r) => r.records(), /needs 2147483647 bytes/],
    [bytes(255, 255, 255, 255, 15, 1), (r) => r.compactRecords(), /needs 4294967294 bytes/],
    [bytes(0x7f, 255, 255, 255, 1, 2, 3), (r) => r.arrayLength(1), /2147483647 elements of at least 1 bytes, and 3/],
    [bytes(0, 0, 0, 2, 1, 2, 3), (r) => r.arrayLength(2), /2 elements of at least 2 bytes, and 3 bytes are left/],
    [bytes(255, 255, 255, 255), (r) => r.skip(5), /needs 5 bytes, and 4 are left/],
  ];
  for (const [layout, read, words] of refused) {
    throws(() => read(new Reader(layout)), refusal(words), String(words));
    throws(() => read(new Reader([...layout].map((byte) => bytes(byte)))), refusal(words), `${words}, in single bytes`);
  }
});

test("a message has no more elements than an engine can hold as objects", () => {
  const most = written((writer) => writer.arrayLength(maxElements));
  const reader = new Reader([most, written((writer) => writer.arrayLength(1)), new Uint8Array(maxElements)]);
  strictEqual(reader.arrayLength(1), maxElements);
  throws(() => reader.arrayLength(1), refusal(/more than 200000 elements/));
});

test("what no type can hold is not written", () => {
  const refused: readonly (readonly [(writer: Writer) => void, RegExp])[] = [
    [(w) => w.int8(128), /is 128: no whole number from -128 to 127/],
    [(w) => w.int16(-32_769), /no whole number/],
    [(w) => w.int32(2 ** 31), /no whole number/],
    [(w) => w.int32(0.5), /is 0.5/],
    [(w) => w.int32(undefined as unknown as number), /is undefined/],
    [(w) => w.uint32(-1), /no whole number/],
    [(w) => w.int64(2 ** 53), /no whole number/],
    [(w) => w.string("x".repeat(32_768)), /32768 bytes: the longest has 32767/],
    [(w) => w.uuid("x"), /no uuid/],
    [(w) => w.uuid("0000000000000000000000000000000g"), /no uuid/],
    [(w) => w.uuid("000000000000000000000000000000A0"), /no uuid/],
  ];
  for (const [write, words] of refused) throws(() => write(new Writer()), refusal(words), String(words));
});

test("text takes the bytes that it is said to take, halves of pairs too", () => {
  const unit = fc.constantFrom("a", "ö", "€", "😀", "\ud83d", "\ude00", "\u0000", "\ufeff");
  let long = 0;
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 60, size: "max" }), (text) => {
      const encoded = new TextEncoder().encode(text);
      strictEqual(utf8Length(text), encoded.length);
      const whole = written((writer) => writer.string(text));
      deepStrictEqual(whole.subarray(2), encoded);
      strictEqual(new Reader(whole).string(), new TextDecoder("utf-8", { ignoreBOM: true }).decode(encoded));
      if (encoded.length > 24) long += 1;
    }),
    { numRuns: 400 },
  );
  ok(long > 40, `${long} longer than the short way`);
});

test("record batches are views when read, and the same memory when written", () => {
  const frame = new Uint8Array(new ArrayBuffer(64), 8, 40);
  frame.set([0, 0, 0, 30]);
  const view = new Reader(frame).records();
  ok(view instanceof Uint8Array && view.buffer === frame.buffer && view.byteOffset === 12 && view.length === 30);
  const pieces = new Reader([frame.subarray(0, 10), frame.subarray(10)]).records();
  ok(Array.isArray(pieces) && pieces.length === 2 && pieces.every(({ buffer }) => buffer === frame.buffer));

  const writer = new Writer();
  writer.int32(1);
  writer.records([view, bytes(), view.subarray(3)]);
  writer.int32(2);
  const chunks = writer.finish();
  strictEqual(chunks[1], view);
  strictEqual(chunks[2]?.byteOffset, view.byteOffset + 3);
  strictEqual(chunks.length, 4);
});

test("what is kept of a frame is a copy, also when the frame is a Node Buffer", () => {
  class Slicing extends Uint8Array {
    override slice(from?: number, to?: number): Uint8Array<ArrayBuffer> {
      return this.subarray(from, to) as Uint8Array<ArrayBuffer>;
    }
  }
  const frame = Slicing.from([0, 0, 0, 1, 7]);
  const kept = new Reader(frame).bytes();
  frame[4] = 8;
  deepStrictEqual(kept, bytes(7));
});

test("messages that are written at once do not lie in each other", () => {
  const one = new Writer(16);
  const other = new Writer(16);
  one.raw(new Uint8Array(12).fill(1));
  other.raw(new Uint8Array(12).fill(2));
  const first = one.finish();
  const third = new Writer(16);
  third.raw(new Uint8Array(16).fill(3));
  const second = other.finish();
  const fourth = new Writer(16);
  fourth.raw(new Uint8Array(16).fill(4));
  deepStrictEqual(join(first), new Uint8Array(12).fill(1));
  deepStrictEqual(join(second), new Uint8Array(12).fill(2));
  deepStrictEqual(join(third.finish()), new Uint8Array(16).fill(3));
  deepStrictEqual(join(fourth.finish()), new Uint8Array(16).fill(4));
});

test("a writer grows without losing what lies before or behind a lent chunk", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(300), fc.uint8Array({ minLength: 1, maxLength: 50 })), { maxLength: 30 }),
      (parts) => {
        const whole = written((writer) => {
          for (const part of parts) {
            if (typeof part === "number") writer.raw(new Uint8Array(part).fill(part));
            else writer.compactRecords(part);
          }
        });
        const expected = parts.flatMap((part) =>
          typeof part === "number" ? new Array<number>(part).fill(part & 255) : [part.length + 1, ...part],
        );
        deepStrictEqual([...whole], expected);
      },
    ),
    { numRuns: 300 },
  );
});
