// The copies of index tables, straight at the module: what a search of one finds, however its
// keys lie and however they came.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { engineWasmBase64 } from "./wasm.generated.ts";

interface SearchExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly staging: { readonly value: number };
  readonly indexCache: { readonly value: number };
  copySizeBytes(keyRoom: number, keySizeBytes: number): number;
  beginCopy(copy: number, keyRoom: number, keySizeBytes: number): void;
  appendToCopy(copy: number, source: number, count: number): void;
  searchCopy(copy: number, target: number): number;
}

// Not every runtime's types declare it.
declare const WebAssembly: {
  instantiate(code: Uint8Array): Promise<{ readonly instance: { readonly exports: object } }>;
};

const code = Uint8Array.from(atob(engineWasmBase64), (character) => character.charCodeAt(0));
const wasm = (await WebAssembly.instantiate(code)).instance.exports as SearchExports;
const memory = new DataView(wasm.memory.buffer);
const copy = wasm.indexCache.value;

interface Gaps {
  readonly kind: string;
  readonly gaps: readonly number[];
}

const many = { maxLength: 300, size: "max" } as const;
/** Steps between keys, of every shape that a radix table dislikes. */
const gaps: fc.Arbitrary<Gaps> = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 60 }), many).map((steps) => ({ kind: "even", gaps: steps })),
  fc.array(fc.constant(1), many).map((steps) => ({ kind: "adjacent", gaps: steps })),
  fc.array(fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 1, 900_000), many).map((steps) => ({ kind: "clusters", gaps: steps })),
  fc
    .tuple(
      fc.array(fc.integer({ min: 1, max: 9 }), many),
      fc.constantFrom(2 ** 20, 2 ** 31 - 20_000, 2 ** 31),
      fc.nat(300),
    )
    .map(([steps, gap, place]) => ({ kind: "one gap", gaps: steps.toSpliced(place, 0, gap) })),
  fc.array(fc.integer({ min: 1, max: 2 ** 24 }), { maxLength: 100 }).map((steps) => ({ kind: "wide", gaps: steps })),
);

function appendKeys(keys: readonly number[], keySizeBytes: 4 | 8): void {
  const source = wasm.staging.value;
  keys.forEach((key, place) => {
    if (keySizeBytes === 4) memory.setInt32(source + place * 8, key);
    else memory.setBigInt64(source + place * 12, BigInt(key));
  });
  wasm.appendToCopy(copy, source, keys.length);
}

const atOrBelow = (keys: readonly number[], target: number): number => keys.findLastIndex((key) => key <= target);

/** What the head and the radix table say: see assembly/search.ts. */
const shiftOf = (): number => memory.getInt32(copy + 20, true);
function largestBucket(): number {
  let largest = 0;
  for (let bucket = 0; bucket < memory.getInt32(copy + 16, true); bucket++) {
    const [start, end] = [0, 4].map((at) => memory.getInt32(copy + 64 + bucket * 4 + at, true)) as [number, number];
    largest = Math.max(largest, end - start);
  }
  return largest;
}

test("a search of a copy finds what a walk finds, while keys of any spread are appended", () => {
  const seen = { appends: 0, shifts: 0, vectors: 0, halvings: 0 };
  const kinds = new Set<string>();
  fc.assert(
    fc.property(
      fc.constantFrom(4 as const, 8 as const),
      fc.constantFrom(-(2 ** 31), -40_000, 0, 3, 2 ** 30),
      fc.array(gaps, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 0, max: 500 }),
      fc.array(fc.double({ noNaN: true }), { maxLength: 6 }),
      (keySizeBytes, first, rounds, spareRoom, anywhere) => {
        const scale = keySizeBytes === 4 ? 1 : 1_000;
        const all: number[][] = [];
        let key = first * scale;
        for (const { kind, gaps } of rounds) {
          kinds.add(kind);
          const piece: number[] = [];
          for (const gap of gaps) {
            if (keySizeBytes === 4 && key + gap > 2 ** 31 - 1) break;
            key += gap * scale;
            piece.push(key);
          }
          all.push(piece);
        }
        const keyRoom = all.flat().length + spareRoom;
        // What lay there before is below any target, and must not be taken for a key.
        new Uint8Array(memory.buffer, copy, wasm.copySizeBytes(keyRoom, keySizeBytes) + 128).fill(0x80);
        wasm.beginCopy(copy, keyRoom, keySizeBytes);
        const keys: number[] = [];
        assert.equal(wasm.searchCopy(copy, 5), -1);
        for (const piece of all) {
          const shift = shiftOf();
          appendKeys(piece, keySizeBytes);
          if (keys.length > 0 && shiftOf() > shift) seen.shifts++;
          keys.push(...piece);
          seen.appends++;
          if (largestBucket() > 16) seen.halvings++;
          else seen.vectors++;
          const some = keys.filter((_, place) => place % 7 === 0 || place > keys.length - 20);
          for (const target of [
            ...some,
            ...some.flatMap((some) => [some - 1, some - 0.5, some + 0.5, some + 1]),
            ...anywhere,
            ...[-(2 ** 53), -(2 ** 31) - 1, -(2 ** 31), -0.5, 2 ** 31 - 1, 2 ** 31, 2 ** 53],
            ...[Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
          ]) {
            if (wasm.searchCopy(copy, target) !== atOrBelow(keys, target)) {
              assert.equal(wasm.searchCopy(copy, target), atOrBelow(keys, target), `target ${target}`);
            }
          }
        }
      },
    ),
    { numRuns: 300 },
  );
  assert.deepEqual([...kinds].sort(), ["adjacent", "clusters", "even", "one gap", "wide"]);
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 50, `${times} ${what}`);
});

test("one key at a time gives the same copy as all at once: the shift follows, nothing is made anew", () => {
  for (const keySizeBytes of [4, 8] as const) {
    const step = keySizeBytes === 4 ? 1_500 : 977_000_000;
    const keys = Array.from({ length: 2_000 }, (_, place) => place * step + (place % 5));
    const sizeBytes = wasm.copySizeBytes(keys.length, keySizeBytes);
    const made = (pieces: readonly (readonly number[])[]): Uint8Array => {
      new Uint8Array(memory.buffer, copy, sizeBytes).fill(0);
      wasm.beginCopy(copy, keys.length, keySizeBytes);
      const shifts = new Set<number>();
      for (const piece of pieces) {
        appendKeys(piece, keySizeBytes);
        shifts.add(shiftOf());
      }
      if (pieces.length > 1) assert.ok(shifts.size >= 5, `${shifts.size} shifts`);
      // The table's own end: what lies beyond it is left from narrower buckets.
      const end = 64 + (memory.getInt32(copy + 16, true) + 1) * 4;
      const keysAt = memory.getInt32(copy + 4, true) - copy;
      const bytes = new Uint8Array(memory.buffer, copy, sizeBytes).slice();
      return bytes.fill(0, end, keysAt);
    };
    assert.deepEqual(made(keys.map((key) => [key])), made([keys]));
  }
});

test("keys that don't rise write nothing outside their copy", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(4 as const, 8 as const),
      fc.array(fc.array(fc.oneof(fc.integer(), fc.nat(50)), { maxLength: 80 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.oneof(fc.integer(), fc.double()), { maxLength: 20 }),
      (keySizeBytes, pieces, targets) => {
        const keyRoom = pieces.flat().length;
        const sizeBytes = wasm.copySizeBytes(keyRoom, keySizeBytes);
        const around = new Uint8Array(memory.buffer, copy, sizeBytes + 4096).fill(0x33);
        wasm.beginCopy(copy, keyRoom, keySizeBytes);
        for (const piece of pieces) appendKeys(piece, keySizeBytes);
        for (const target of targets) {
          const entry = wasm.searchCopy(copy, target);
          assert.ok(entry >= -1 && entry < Math.max(1, keyRoom) + 16, `entry ${entry} of ${keyRoom}`);
        }
        assert.ok(around.subarray(sizeBytes).every((byte) => byte === 0x33));
      },
    ),
    { numRuns: 500 },
  );
});
