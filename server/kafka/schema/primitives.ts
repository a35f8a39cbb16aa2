// The primitive types of the notation, and the four ways in which one may lie on the wire.
//
// Owns: which of the reader's and the writer's methods a type means.
// Never: bounds or bytes (codec/).

import type { RunBytes } from "../../../engine/index.ts";
import type { Reader } from "../codec/reader.ts";
import type { Writer } from "../codec/writer.ts";
import type { PrimitiveName } from "./notation.ts";

export interface Codec<Value = unknown> {
  /** What a value takes at least. Bytes. */
  readonly leastBytes: number;
  read(reader: Reader): Value;
  write(writer: Writer, value: Value): void;
}

interface Primitive {
  readonly zero: unknown;
  readonly plain: Codec;
  readonly nullable: Codec;
  readonly compact: Codec;
  readonly nullableCompact: Codec;
}

function codec<Value>(
  leastBytes: number,
  read: (reader: Reader) => Value,
  write: (writer: Writer, value: Value) => void,
): Codec {
  return { leastBytes, read, write: write as (writer: Writer, value: unknown) => void };
}

function fixed<Value>(zero: Value, one: Codec): Primitive {
  return { zero, plain: one, nullable: one, compact: one, nullableCompact: one };
}

const strings = {
  zero: "",
  plain: codec<string>(
    2,
    (reader) => reader.string(),
    (writer, value) => writer.string(value),
  ),
  nullable: codec<string | null>(
    2,
    (reader) => reader.nullableString(),
    (writer, value) => writer.nullableString(value),
  ),
};

export const primitives: Readonly<Record<PrimitiveName, Primitive>> = {
  bool: fixed(
    false,
    codec<boolean>(
      1,
      (reader) => reader.bool(),
      (writer, value) => writer.bool(value),
    ),
  ),
  int8: fixed(
    0,
    codec<number>(
      1,
      (reader) => reader.int8(),
      (writer, value) => writer.int8(value),
    ),
  ),
  int16: fixed(
    0,
    codec<number>(
      2,
      (reader) => reader.int16(),
      (writer, value) => writer.int16(value),
    ),
  ),
  int32: fixed(
    0,
    codec<number>(
      4,
      (reader) => reader.int32(),
      (writer, value) => writer.int32(value),
    ),
  ),
  uint32: fixed(
    0,
    codec<number>(
      4,
      (reader) => reader.uint32(),
      (writer, value) => writer.uint32(value),
    ),
  ),
  int64: fixed(
    0,
    codec<number>(
      8,
      (reader) => reader.int64(),
      (writer, value) => writer.int64(value),
    ),
  ),
  uuid: fixed(
    "0".repeat(32),
    codec<string>(
      16,
      (reader) => reader.uuid(),
      (writer, value) => writer.uuid(value),
    ),
  ),
  plainString: { ...strings, compact: strings.plain, nullableCompact: strings.nullable },
  string: {
    ...strings,
    compact: codec<string>(
      1,
      (reader) => reader.compactString(),
      (writer, value) => writer.compactString(value),
    ),
    nullableCompact: codec<string | null>(
      1,
      (reader) => reader.nullableCompactString(),
      (writer, value) => writer.nullableCompactString(value),
    ),
  },
  bytes: {
    zero: new Uint8Array(0),
    plain: codec<Uint8Array>(
      4,
      (reader) => reader.bytes(),
      (writer, value) => writer.bytes(value),
    ),
    nullable: codec<Uint8Array | null>(
      4,
      (reader) => reader.nullableBytes(),
      (writer, value) => writer.nullableBytes(value),
    ),
    compact: codec<Uint8Array>(
      1,
      (reader) => reader.compactBytes(),
      (writer, value) => writer.compactBytes(value),
    ),
    nullableCompact: codec<Uint8Array | null>(
      1,
      (reader) => reader.nullableCompactBytes(),
      (writer, value) => writer.nullableCompactBytes(value),
    ),
  },
  records: {
    zero: new Uint8Array(0),
    plain: codec<RunBytes>(
      4,
      (reader) => reader.records(),
      (writer, value) => writer.records(value),
    ),
    nullable: codec<RunBytes | null>(
      4,
      (reader) => reader.nullableRecords(),
      (writer, value) => writer.nullableRecords(value),
    ),
    compact: codec<RunBytes>(
      1,
      (reader) => reader.compactRecords(),
      (writer, value) => writer.compactRecords(value),
    ),
    nullableCompact: codec<RunBytes | null>(
      1,
      (reader) => reader.nullableCompactRecords(),
      (writer, value) => writer.nullableCompactRecords(value),
    ),
  },
};
