import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat } from "./body.ts";
import { encodeCbor } from "./records-cbor.ts";
import { CborSplitter, type ItemSplitter, LineSplitter, type StreamItem } from "./stream-items.ts";

const utf8 = new TextEncoder();

function cutAndPush(splitter: ItemSplitter, bytes: Uint8Array, cuts: readonly number[]): StreamItem[] {
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let from = 0;
  const items: StreamItem[] = [];
  for (const place of places) {
    // A chunk is the reader's until its next read: what follows may overwrite it.
    const chunk = bytes.slice(from, place);
    items.push(...splitter.push(chunk));
    chunk.fill(0x22);
    from = place;
  }
  return [...items, ...splitter.end()];
}

function told({ record }: StreamItem): string {
  if (record instanceof Error) return `error: ${/^(line|item) \d+/.exec(record.message)?.[0] ?? ""}`;
  const { key, value } = record;
  return JSON.stringify([key, value], (_key, inner) => (inner instanceof Uint8Array ? [...inner] : inner));
}

const cuts = fc.array(fc.nat(), { maxLength: 12 });
const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }));

test("lines are the same however they are cut, in ASCII or not, right or wrong", () => {
  const line = fc.oneof(
    fc.record({ key: text, value: text }).map((record) => ({
      bytes: utf8.encode(JSON.stringify(record)),
      tells: JSON.stringify([record.key, record.value]),
    })),
    fc.constant({ bytes: utf8.encode(" \r"), tells: "" }),
    fc.constant({ bytes: new Uint8Array(0), tells: "" }),
    fc.constant({ bytes: utf8.encode("{"), tells: "error" }),
    fc.constant({ bytes: new Uint8Array([0x22, 0xff, 0x22]), tells: "error" }),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), cuts, fc.boolean(), (lines, places, endsInFeed) => {
      const pieces = lines.flatMap(({ bytes }, at) =>
        at === lines.length - 1 && !endsInFeed ? [bytes] : [bytes, new Uint8Array([10])],
      );
      const whole = concat(
        pieces,
        pieces.reduce((sum, { length }) => sum + length, 0),
      );
      const expected = lines.flatMap(({ tells }, at) =>
        tells === "" ? [] : [tells === "error" ? `error: line ${at + 1}` : tells],
      );
      assert.deepEqual(cutAndPush(new LineSplitter(), whole, places).map(told), expected);
    }),
    { numRuns: 500 },
  );
});

test("items of a CBOR sequence are the same however they are cut", () => {
  const item = fc.oneof(
    fc.record({ key: fc.uint8Array(), value: text }),
    fc.record({ key: fc.constant(null), value: fc.uint8Array({ maxLength: 500 }) }),
  );
  fc.assert(
    fc.property(fc.array(item, { maxLength: 12 }), cuts, (items, places) => {
      const pieces = items.map(encodeCbor);
      const whole = concat(
        pieces,
        pieces.reduce((sum, { length }) => sum + length, 0),
      );
      const splitter = new CborSplitter();
      const found = cutAndPush(splitter, whole, places);
      assert.deepEqual(
        found.map(told),
        items.map(({ key, value }) => told({ record: { key, value }, sizeBytes: 0 })),
      );
      assert.deepEqual(
        found.map(({ sizeBytes }) => sizeBytes),
        pieces.map(({ length }) => length),
      );
      assert.equal(splitter.pendingBytes, 0);
      assert.equal(splitter.broken, null);
    }),
    { numRuns: 500 },
  );
});
