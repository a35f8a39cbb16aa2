// How a message is written down, and the TypeScript types that follow from it.
//
//   export const heartbeat = {
//     key: 12,
//     name: "Heartbeat",
//     versions: [0, 4],              what we read and write, both ends included
//     flexible: 4,                   from here on compact lengths and tagged fields (KIP-482); absent: never
//     request: {
//       groupId: "string",           a type: in every version
//       instanceId: "string? 3+ = null",   may be null; from version 3 on; null where it is absent
//       topics: [                    an array of structs; "[]int32" is one of primitives
//         {
//           $: "?2+ 1-7 tag 0",      what would stand behind the type: null allowed from 2 on; in 1 to 7; tagged
//           name: "string",
//         },
//       ],
//       leader: { $: "10+ tag 0", id: "int32 = -1" },
//     },
//     response: { ... },
//   } as const;
//
// "type[?][range] [range] [tag N] [= default]"; a range is "3", "3+" or "3-7". A field with a
// default, or a tag, may be left out by whoever writes it. Of a struct the default is its fields'.
//
// Owns: the notation and its types. Never: encodes (compile.ts).
//
// Plain objects `as const`, because isolated declarations infer the type of nothing else.

import type { RunBytes } from "../../../engine/index.ts";

export interface Struct {
  readonly [field: string]: Field;
}

export type Field = string | Struct | readonly [Struct];

export interface ApiDefinition {
  readonly key: number;
  readonly name: string;
  readonly versions: readonly [number, number];
  readonly flexible?: number;
  readonly request: Struct;
  readonly response: Struct;
}

/** What travels inside of others' bytes, or is kept in a topic. */
export interface MessageDefinition {
  readonly name: string;
  readonly versions: readonly [number, number];
  readonly flexible?: number;
  readonly fields: Struct;
}

interface Primitives {
  readonly bool: boolean;
  readonly int8: number;
  readonly int16: number;
  readonly int32: number;
  readonly uint32: number;
  readonly int64: number;
  /** 32 hex digits. */
  readonly uuid: string;
  readonly string: string;
  /** Never compact. */
  readonly plainString: string;
  readonly bytes: Uint8Array;
  /** Record batches, not copied: views on the frame when read, lent to the wire when written. */
  readonly records: RunBytes;
}

export type PrimitiveName = keyof Primitives;

type First<Text> = Text extends `${infer Type} ${string}` ? Type : Text;
type Named<Type> = Type extends `${infer Name}?${string}`
  ? Named<Name> | null
  : Type extends `[]${infer Element}`
    ? readonly Named<Element>[]
    : Type extends PrimitiveName
      ? Primitives[Type]
      : never;
type Nullable<Shape> = Shape extends { readonly $: `?${string}` } ? null : never;
type Names<Shape> = Exclude<keyof Shape, "$">;

type ReadField<Shape> = Shape extends string
  ? Named<First<Shape>>
  : Shape extends readonly [infer Element]
    ? readonly Read<Element>[] | Nullable<Element>
    : Read<Shape> | Nullable<Shape>;

/** Of a definition that is not known before the program runs. */
type Anything = Readonly<Record<string, unknown>>;

/** What reading it gives: every field, those that the version lacks as their defaults. */
export type Read<Shape> = string extends keyof Shape
  ? Anything
  : { readonly [Name in Names<Shape>]: ReadField<Shape[Name]> };

type MayBeLeftOut<Text> = Text extends `${string}= ${string}` | `${string}tag ${string}` ? true : false;
type OptionalNames<Shape> = {
  [Name in Names<Shape>]: Shape[Name] extends string
    ? MayBeLeftOut<Shape[Name]> extends true
      ? Name
      : never
    : Shape[Name] extends { readonly $: infer Text } | readonly [{ readonly $: infer Text }]
      ? MayBeLeftOut<Text> extends true
        ? Name
        : never
      : never;
}[Names<Shape>];

type WrittenField<Shape> = Shape extends string
  ? Named<First<Shape>>
  : Shape extends readonly [infer Element]
    ? readonly Written<Element>[] | Nullable<Element>
    : Written<Shape> | Nullable<Shape>;

/** What it takes to write it. What a version lacks is not written; null where it may not be is written as empty. */
export type Written<Shape> = string extends keyof Shape
  ? Anything
  : { readonly [Name in Exclude<Names<Shape>, OptionalNames<Shape>>]: WrittenField<Shape[Name]> } & {
      readonly [Name in OptionalNames<Shape>]?: WrittenField<Shape[Name]>;
    };

/** A request as a handler is given it. */
export type RequestOf<Api extends ApiDefinition> = Read<Api["request"]>;
/** An answer as a handler gives it. */
export type ResponseOf<Api extends ApiDefinition> = Written<Api["response"]>;
