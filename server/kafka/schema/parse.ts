// Takes the texts of a definition apart.
//
// Owns: the grammar of notation.ts; what goes against it is a mistake in our own source, and thrown
//   when a message is first used, which the tests do with all of them.
// Never: encodes (compile.ts).

import type { Field, PrimitiveName, Struct } from "./notation.ts";

export type Range = readonly [number, number];

export interface ParsedField {
  readonly name: string;
  readonly shape: PrimitiveName | Struct;
  readonly isArray: boolean;
  readonly versions: Range;
  /** null: never. */
  readonly nullable: Range | null;
  readonly tag: number | null;
  /** Undefined: the type's own zero. */
  readonly byDefault: null | boolean | number | string | readonly [] | undefined;
}

export const always: Range = [0, Number.POSITIVE_INFINITY];
const primitives: ReadonlySet<string> = new Set<PrimitiveName>([
  ..."bool int8 int16 int32 uint32 int64 uuid string plainString bytes records".split(" "),
] as PrimitiveName[]);

export function fieldsOf(struct: Struct): ParsedField[] {
  return Object.entries(struct)
    .filter(([name]) => name !== "$")
    .map(([name, field]) => parseField(name, field));
}

export function isIn(version: number, range: Range | null): boolean {
  return range !== null && version >= range[0] && version <= range[1];
}

function parseField(name: string, field: Field): ParsedField {
  if (typeof field === "string") {
    const type = /^(\[\])?([a-zA-Z0-9]+)/.exec(field);
    const shape = type?.[2] ?? "";
    if (!primitives.has(shape)) throw mistake(name, field);
    return {
      ...parseRest(name, field.slice(type?.[0].length)),
      name,
      shape: shape as PrimitiveName,
      isArray: type?.[1] !== undefined,
    };
  }
  const isArray = Array.isArray(field);
  const shape = (isArray ? field[0] : field) as Struct;
  const rest = shape["$"] ?? "";
  if (typeof rest !== "string") throw mistake(name, "$");
  return { ...parseRest(name, rest), name, shape, isArray };
}

function parseRest(name: string, rest: string): Omit<ParsedField, "name" | "shape" | "isArray"> {
  const parts =
    /^(?<null>\?(?<since>[0-9]+[-+0-9]*)?)?(?: ?(?<range>[0-9]+[-+0-9]*))?(?: ?tag (?<tag>[0-9]+))?(?: ?= (?<value>.+))?$/.exec(
      rest,
    )?.groups;
  if (parts === undefined) throw mistake(name, rest);
  return {
    versions: parts["range"] === undefined ? always : parseRange(parts["range"]),
    nullable: parts["null"] === undefined ? null : parts["since"] === undefined ? always : parseRange(parts["since"]),
    tag: parts["tag"] === undefined ? null : Number(parts["tag"]),
    byDefault: parts["value"] === undefined ? undefined : JSON.parse(parts["value"]),
  };
}

function parseRange(text: string): Range {
  const range = /^([0-9]+)(?:(\+)|-([0-9]+))?$/.exec(text);
  if (range === null) throw mistake("a range", text);
  const from = Number(range[1]);
  return [from, range[2] !== undefined ? Number.POSITIVE_INFINITY : Number(range[3] ?? from)];
}

function mistake(name: string, text: string): Error {
  return new Error(`the definition of ${name} says '${text}'`);
}
