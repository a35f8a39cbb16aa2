// What the compiler makes of a definition. Most of it is proven when the types are checked, not here.

import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import type { RunBytes } from "../../../engine/index.ts";
import { fetch } from "./fetch.ts";
import { apis, messages } from "./index.ts";
import type { joinGroup } from "./join-group.ts";
import type { metadata } from "./metadata.ts";
import type { RequestOf, ResponseOf, Struct } from "./notation.ts";
import { always, fieldsOf } from "./parse.ts";

type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
const same = <One, Other>(is: Same<One, Other>): void => strictEqual(is, true);

test("requests have the types that their definitions say", () => {
  type Fetch = RequestOf<typeof fetch>;
  same<Fetch["clusterId"], string | null>(true);
  same<Fetch["replicaState"], { readonly replicaId: number; readonly replicaEpoch: number }>(true);
  same<Fetch["topics"][0]["partitions"][0]["fetchOffset"], number>(true);
  same<Fetch["forgottenTopicsData"][0]["partitions"], readonly number[]>(true);
  same<
    RequestOf<typeof metadata>["topics"],
    readonly { readonly topicId: string; readonly name: string | null }[] | null
  >(true);
  same<RequestOf<typeof joinGroup>["protocols"][0]["metadata"], Uint8Array>(true);
  same<ResponseOf<typeof fetch>["responses"][0]["partitions"][0]["records"], RunBytes | null>(true);
});

test("an answer may leave out what has a default or a tag, and nothing else", () => {
  const least: ResponseOf<typeof fetch> = { responses: [] };
  const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 0, records: null };
  const some: ResponseOf<typeof fetch> = {
    ...least,
    responses: [{ topic: "t", topicId: "", partitions: [partition] }],
  };
  // @ts-expect-error: responses have no default
  const missing: ResponseOf<typeof fetch> = {};
  // @ts-expect-error: a partition has an error code
  const inner: ResponseOf<typeof fetch>["responses"][0]["partitions"][0] = {
    partitionIndex: 0,
    highWatermark: 0,
    records: null,
  };
  // @ts-expect-error: there is no such field
  const strange: ResponseOf<typeof fetch> = { responses: [], thing: 1 };
  // @ts-expect-error: topicId is never null
  const none: ResponseOf<typeof fetch>["responses"][0] = { topic: "t", topicId: null, partitions: [] };
  deepStrictEqual([least, some, missing, inner, strange, none].length, 6);
});

test("a text is taken apart into type, ranges, tag and default", () => {
  const parsed = fieldsOf({
    plain: "int32",
    full: '[]string?2+ 1-7 tag 3 = ""',
    one: "bool 4 = true",
    none: "string? = null",
    struct: [{ $: "?5+ 4+ = []", inner: "uuid" }],
  });
  const rest = { isArray: false, versions: always, nullable: null, tag: null, byDefault: undefined };
  deepStrictEqual(parsed, [
    { ...rest, name: "plain", shape: "int32" },
    {
      name: "full",
      shape: "string",
      isArray: true,
      versions: [1, 7],
      nullable: [2, Number.POSITIVE_INFINITY],
      tag: 3,
      byDefault: "",
    },
    { ...rest, name: "one", shape: "bool", versions: [4, 4], byDefault: true },
    { ...rest, name: "none", shape: "string", nullable: always, byDefault: null },
    {
      ...rest,
      name: "struct",
      shape: { $: "?5+ 4+ = []", inner: "uuid" },
      isArray: true,
      versions: [4, Number.POSITIVE_INFINITY],
      nullable: [5, Number.POSITIVE_INFINITY],
      byDefault: [],
    },
  ]);
});

test("a text that is none is refused", () => {
  for (const text of ["", "int31", "int32 x", "string?? 1", "int32 1 2", "int32 tag", "int32 = ", "int32 5-"])
    throws(() => fieldsOf({ field: text }), /the definition of/, text);
  throws(() => fieldsOf({ field: [{ $: "x", inner: "int8" }] }), /the definition of field says 'x'/);
});

test("no definition names a version that it does not have, or one tag twice", () => {
  function walk(struct: Struct, [from, to]: readonly [number, number], path: string): void {
    const tags: number[] = [];
    for (const { name, shape, versions, nullable, tag } of fieldsOf(struct)) {
      for (const range of [versions, nullable ?? always]) {
        const isWithin =
          range[0] <= to && (range[1] === Number.POSITIVE_INFINITY || (range[1] <= to && range[1] >= from));
        strictEqual(isWithin && range[0] <= range[1], true, `${path}.${name} ${range}`);
      }
      if (tag !== null) tags.push(tag);
      if (typeof shape !== "string") walk(shape, [from, to], `${path}.${name}`);
    }
    deepStrictEqual([...new Set(tags)], tags, path);
  }
  for (const { name, versions, request, response } of apis) {
    walk(request, versions, `${name} request`);
    walk(response, versions, `${name} response`);
  }
  for (const { name, versions, fields } of messages) walk(fields, versions, name);
  const keys = apis.map(({ key }) => key);
  deepStrictEqual(
    keys,
    [...new Set(keys)].sort((one, other) => one - other),
  );
  strictEqual(fetch.key, 1);
});
