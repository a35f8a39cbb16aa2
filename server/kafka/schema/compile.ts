// Makes a reader and a writer out of a definition and a version.
//
// Owns: how a struct lies on the wire: its fields in their order, then, in flexible versions, its
//   tagged fields (KIP-482). Tags that we do not know are passed over, as they may be.
// Never: knows a message, or evaluates code: closures, made once a version.
//
// Invariants: what is read has every field of its definition, in the order of it, so that all
//   values of a message have one hidden class; an array is not allocated before its length fits.

import { malformed } from "../codec/malformed.ts";
import type { Reader } from "../codec/reader.ts";
import { Writer } from "../codec/writer.ts";
import type { PrimitiveName, Struct } from "./notation.ts";
import { fieldsOf, isIn, type ParsedField } from "./parse.ts";
import { type Codec, primitives } from "./primitives.ts";

interface Wire {
  readonly version: number;
  /** Compact lengths, and tagged fields behind every struct. */
  readonly isFlexible: boolean;
}

interface CompiledField {
  readonly name: string;
  readonly codec: Codec;
}

interface TaggedField extends CompiledField {
  readonly tag: number;
  isDefault(value: unknown): boolean;
}

type Values = Record<string, unknown>;

const noElements: readonly unknown[] = Object.freeze([]);

export function compileStruct(struct: Struct, wire: Wire): Codec<Values> {
  const fields = fieldsOf(struct);
  const blank: Values = Object.fromEntries(fields.map((field) => [field.name, defaultOf(field)]));
  const present = fields.filter(({ versions }) => isIn(wire.version, versions));
  const plain: CompiledField[] = present
    .filter(({ tag }) => tag === null)
    .map((field) => ({ name: field.name, codec: compileField(field, wire) }));
  const tagged = wire.isFlexible ? compileTagged(present, wire) : null;
  return {
    leastBytes: plain.reduce((sum, { codec }) => sum + codec.leastBytes, wire.isFlexible ? 1 : 0),
    read(reader) {
      const value: Values = { ...blank };
      for (let index = 0; index < plain.length; index++) {
        const { name, codec } = plain[index]!;
        reader.field = name;
        value[name] = codec.read(reader);
      }
      tagged?.read(reader, value);
      return value;
    },
    write(writer, value) {
      for (let index = 0; index < plain.length; index++) {
        const { name, codec } = plain[index]!;
        const given = value[name];
        writer.field = name;
        codec.write(writer, given === undefined ? blank[name] : given);
      }
      tagged?.write(writer, value);
    },
  };
}

interface TaggedFields {
  read(reader: Reader, into: Values): void;
  write(writer: Writer, value: Values): void;
}

function compileTagged(present: readonly ParsedField[], wire: Wire): TaggedFields {
  const fields: TaggedField[] = present
    .filter((field): field is ParsedField & { tag: number } => field.tag !== null)
    .map((field) => ({
      ...field,
      codec: compileField(field, wire),
      isDefault: (value: unknown) => isDefault(field, value),
    }))
    .sort((one, other) => one.tag - other.tag);
  return {
    read(reader, into) {
      reader.field = "the tagged fields";
      for (let left = reader.unsignedVarint(); left > 0; left--) {
        const tag = reader.unsignedVarint();
        const sizeBytes = reader.unsignedVarint();
        const field = fields.find((one) => one.tag === tag);
        if (field === undefined) reader.skip(sizeBytes);
        else {
          reader.field = field.name;
          const before = reader.remaining;
          into[field.name] = field.codec.read(reader);
          const taken = before - reader.remaining;
          if (taken !== sizeBytes) throw malformed(`${field.name} has ${taken} bytes, and its tag says ${sizeBytes}`);
        }
      }
    },
    write(writer, value) {
      let count = 0;
      for (let index = 0; index < fields.length; index++) {
        const { name, isDefault } = fields[index]!;
        if (!isDefault(value[name])) count += 1;
      }
      writer.unsignedVarint(count);
      if (count === 0) return;
      for (const { name, tag, codec, isDefault } of fields) {
        if (isDefault(value[name])) continue;
        const inner = new Writer(64);
        inner.field = name;
        codec.write(inner, value[name]);
        writer.unsignedVarint(tag);
        writer.unsignedVarint(inner.sizeBytes);
        for (const piece of inner.finish()) writer.raw(piece);
      }
    },
  };
}

function compileField(field: ParsedField, wire: Wire): Codec {
  const isNullable = isIn(wire.version, field.nullable);
  if (field.isArray) return compileArray(compileOne(field.shape, wire, false), isNullable, wire.isFlexible);
  return compileOne(field.shape, wire, isNullable);
}

function compileOne(shape: PrimitiveName | Struct, wire: Wire, isNullable: boolean): Codec {
  if (typeof shape !== "string") {
    const codec = compileStruct(shape, wire) as Codec;
    return isNullable ? nullableStruct(codec) : codec;
  }
  const { zero, plain, nullable, compact, nullableCompact } = primitives[shape];
  if (isNullable) return wire.isFlexible ? nullableCompact : nullable;
  const codec = wire.isFlexible ? compact : plain;
  // An older version may have no other way to say null.
  return { ...codec, write: (writer, value) => codec.write(writer, value ?? zero) };
}

function compileArray(element: Codec, isNullable: boolean, isFlexible: boolean): Codec {
  const leastBytes = Math.max(1, element.leastBytes);
  return {
    leastBytes: isFlexible ? 1 : 4,
    read(reader) {
      const length = isFlexible ? reader.compactArrayLength(leastBytes) : reader.arrayLength(leastBytes);
      if (length === 0) return noElements;
      if (length < 0) {
        if (isNullable) return null;
        throw malformed(`${reader.field} is null, and may not be`);
      }
      const elements: unknown[] = new Array(length);
      for (let index = 0; index < length; index++) elements[index] = element.read(reader);
      return elements;
    },
    write(writer, value) {
      const elements = (value ?? (isNullable ? null : noElements)) as readonly unknown[] | null;
      const length = elements === null ? -1 : elements.length;
      if (isFlexible) writer.compactArrayLength(length);
      else writer.arrayLength(length);
      for (let index = 0; index < length; index++) element.write(writer, elements![index]);
    },
  };
}

/** A byte before it says whether it is there. */
function nullableStruct(codec: Codec): Codec {
  return {
    leastBytes: 1,
    read(reader) {
      const sign = reader.int8();
      if (sign < -1 || sign > 1) throw malformed(`${reader.field} begins with ${sign}, which is neither null nor not`);
      return sign === -1 ? null : codec.read(reader);
    },
    write(writer, value) {
      writer.int8(value === null ? -1 : 1);
      if (value !== null) codec.write(writer, value);
    },
  };
}

function defaultOf({ shape, isArray, byDefault }: ParsedField): unknown {
  if (byDefault !== undefined) return isArray && byDefault !== null ? noElements : byDefault;
  if (isArray) return noElements;
  if (typeof shape === "string") return primitives[shape].zero;
  return Object.fromEntries(fieldsOf(shape).map((field) => [field.name, defaultOf(field)]));
}

/** What a tag need not say. */
function isDefault(field: ParsedField, value: unknown): boolean {
  if (value === undefined) return true;
  if (value === null) return field.byDefault === null;
  if (field.isArray) return field.byDefault !== null && (value as readonly unknown[]).length === 0;
  if (typeof field.shape === "string") return value === defaultOf(field);
  return fieldsOf(field.shape).every((inner) => isDefault(inner, (value as Values)[inner.name]));
}
