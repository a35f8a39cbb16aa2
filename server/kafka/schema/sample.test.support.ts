// One value of a message, out of its definition, with no number or text twice: what a client reads
// off the wrong place is another one.

import type { PrimitiveName, Struct } from "./notation.ts";
import { fieldsOf, isIn, type ParsedField } from "./parse.ts";
import { primitives } from "./primitives.ts";

type Values = Record<string, unknown>;

/** Every field of every version is there, and none is null. */
export function sampleOf(struct: Struct): Values {
  let count = 0;
  const ofPrimitive: Readonly<Record<PrimitiveName, (name: string) => unknown>> = {
    bool: () => true,
    int8: () => (count % 100) + 2,
    // Error codes too: one that a client does not know, it cannot name.
    int16: () => (count % 100) + 1,
    int32: () => 70_000 + count,
    uint32: () => 2 ** 31 + count,
    int64: () => 2 ** 40 + count,
    uuid: () => (0xabcdef00 + count).toString(16).padStart(32, "1234"),
    string: (name) => `${name}-${count}`,
    plainString: (name) => `${name}-${count}`,
    bytes: () => Uint8Array.of(255, count),
    records: () => Uint8Array.of(0, count),
  };
  function valuesOf(fields: Struct, depth: number): Values {
    return Object.fromEntries(fieldsOf(fields).map((field) => [field.name, valueOf(field, depth)]));
  }
  function one({ name, shape }: ParsedField, depth: number): unknown {
    count += 1;
    return typeof shape === "string" ? ofPrimitive[shape](name) : valuesOf(shape, depth + 1);
  }
  function valueOf(field: ParsedField, depth: number): unknown {
    if (!field.isArray) return one(field, depth);
    return depth === 0 || typeof field.shape === "string"
      ? [one(field, depth), one(field, depth)]
      : [one(field, depth)];
  }
  return valuesOf(struct, 0);
}

/** What is left of it in a version: what that lacks is its default. */
export function atVersion(struct: Struct, value: Values, version: number): Values {
  return Object.fromEntries(
    fieldsOf(struct).map((field) => {
      const { name, versions, shape, isArray } = field;
      const given = value[name];
      if (!isIn(version, versions)) return [name, zeroOf(field)];
      if (typeof shape === "string" || given === null) return [name, given];
      const inner = (item: unknown): Values => atVersion(shape, item as Values, version);
      return [name, isArray ? (given as unknown[]).map(inner) : inner(given)];
    }),
  );
}

export function zeroOf(field: ParsedField): unknown {
  if (field.byDefault !== undefined) return field.byDefault;
  if (field.isArray) return [];
  if (typeof field.shape === "string") return primitives[field.shape].zero;
  return Object.fromEntries(fieldsOf(field.shape).map((inner) => [inner.name, zeroOf(inner)]));
}

/** Every number, text and byte string that a version says, as text, tags last of all. */
export function leavesOf(struct: Struct, value: Values, version: number): string[] {
  return fieldsOf(struct)
    .filter(({ versions }) => isIn(version, versions))
    .flatMap(({ name, shape, isArray }) => {
      const items = isArray ? (value[name] as unknown[]) : [value[name]];
      return items.flatMap((item) =>
        typeof shape === "string" ? [leaf(item)] : leavesOf(shape, item as Values, version),
      );
    });
}

function leaf(value: unknown): string {
  return value instanceof Uint8Array ? [...value].join(" ") : String(value);
}
