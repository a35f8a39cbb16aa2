// Values of a message by chance, out of its definition.

import fc from "fast-check";
import type { PrimitiveName, Struct } from "./notation.ts";
import { fieldsOf, isIn, type ParsedField } from "./parse.ts";
import { zeroOf } from "./sample.test.support.ts";

export interface Coverage {
  nulls: number;
  tags: number;
  elements: number;
}

const text = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.constantFrom("", "\ufeffbom", "größe", "x".repeat(127), "y".repeat(300), "😀".repeat(40)),
);
const edges = (bits: number): fc.Arbitrary<number> => {
  const most = 2 ** (bits - 1) - 1;
  return fc.oneof(fc.integer({ min: -most - 1, max: most }), fc.constantFrom(0, -1, most, -most - 1));
};

const ofPrimitive: Readonly<Record<PrimitiveName, fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  int8: edges(8),
  int16: edges(16),
  int32: edges(32),
  uint32: fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1)),
  int64: fc.oneof(
    fc.maxSafeInteger(),
    fc.integer(),
    fc.constantFrom(0, -1, -2, -5, 2 ** 32, -(2 ** 32), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
  ),
  uuid: fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 32, maxLength: 32 }),
  string: text,
  plainString: text,
  bytes: fc.uint8Array({ maxLength: 40 }),
  records: fc.uint8Array({ maxLength: 300 }),
};

/** Of this version: what it lacks has its default, so that reading gives the same value. */
export function valuesOf(struct: Struct, version: number, coverage: Coverage): fc.Arbitrary<Record<string, unknown>> {
  const fields = fieldsOf(struct);
  return fc.record(Object.fromEntries(fields.map((field) => [field.name, valueOf(field, version, coverage)])));
}

function valueOf(field: ParsedField, version: number, coverage: Coverage): fc.Arbitrary<unknown> {
  const byDefault = fc.constant(zeroOf(field));
  if (!isIn(version, field.versions)) return byDefault;
  const one = typeof field.shape === "string" ? ofPrimitive[field.shape] : valuesOf(field.shape, version, coverage);
  const whole = field.isArray
    ? fc.array(one, { maxLength: 3 }).map((list) => count(list, coverage, "elements", list.length))
    : one;
  const choices = [whole, whole];
  if (isIn(version, field.nullable)) choices.push(fc.constant(null).map((none) => count(none, coverage, "nulls")));
  if (field.tag === null) return fc.oneof(...choices);
  return fc.oneof(byDefault, ...choices.map((choice) => choice.map((value) => count(value, coverage, "tags"))));
}

function count<Value>(value: Value, coverage: Coverage, what: keyof Coverage, by = 1): Value {
  coverage[what] += by;
  return value;
}

/** Bytes in one piece, whatever they came in, so that values compare. */
export function whole(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) {
    return value.length > 0 && value.every((piece) => piece instanceof Uint8Array)
      ? Uint8Array.from(value.flatMap((piece: Uint8Array) => [...piece]))
      : value.map(whole);
  }
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, whole(inner)]));
}

/** One piece, in chunks that end where chance has it. */
export function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const ends = [...at.map((part) => Math.floor(part * bytes.length)), bytes.length].sort((one, other) => one - other);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}
