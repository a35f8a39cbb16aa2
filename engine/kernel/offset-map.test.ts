// The latest offset of each key: as a plain map has it, alike in both kernels, and full at the same record.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { field, type Kernel, type RecordIndex, recordStride } from "./kernel.ts";
import { mostKeys } from "./twin/offset-map.ts";
import { SipHash } from "./twin/siphash.ts";
import { createTwinKernel } from "./twin.ts";
import { engineWasmBase64 } from "./wasm.generated.ts";
import { loadWasmKernel } from "./wasm.ts";

interface RawExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly results: { readonly value: number };
  readonly staging: { readonly value: number };
  hashInto(secret: number, position: number, sizeBytes: number): void;
}

// Not every runtime's types declare it.
declare const WebAssembly: {
  instantiate(code: Uint8Array): Promise<{ readonly instance: { readonly exports: object } }>;
};

const code = Uint8Array.from(atob(engineWasmBase64), (character) => character.charCodeAt(0));
const raw = (await WebAssembly.instantiate(code)).instance.exports as RawExports;
const rawMemory = new Uint8Array(raw.memory.buffer);

const kernels: readonly Kernel[] = [createTwinKernel(), await loadWasmKernel()];
const secret = Uint8Array.from({ length: 16 }, (_, at) => at);

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

function hashedByTwin(key: Uint8Array, under: Uint8Array): string {
  const words = new Int32Array(4);
  new SipHash(under).hash(key, 0, key.length, words);
  const bytes = new Uint8Array(16);
  for (const [at, word] of words.entries()) new DataView(bytes.buffer).setInt32(at * 4, word, true);
  return hex(bytes);
}

function hashedByWasm(key: Uint8Array, under: Uint8Array): string {
  const position = raw.staging.value;
  rawMemory.set(under, position);
  // What lies behind a key must not count.
  rawMemory.fill(0xa5, position + 16, position + 16 + key.length + 16);
  rawMemory.set(key, position + 16);
  raw.hashInto(position, position + 16, key.length);
  return hex(rawMemory.slice(raw.results.value, raw.results.value + 16));
}

// The authors' own: of the bytes 0, 1, 2... under the secret 0..15, for lengths from 0 on.
const published = [
  "a3817f04ba25a8e66df67214c7550293",
  "da87c1d86b99af44347659119b22fc45",
  "8177228da4a45dc7fca38bdef60affe4",
  "9c70b60c5267a94e5f33b6b02985ed51",
  "f88164c12d9c8faf7d0f6e7c7bcd5579",
  "1368875980776f8854527a07690e9627",
  "14eeca338b208613485ea0308fd7a15e",
  "a1f1ebbed8dbc153c0b84aa61ff08239",
  "3b62a9ba6258f5610f83e264f31497b4",
  "264499060ad9baabc47f8b02bb6d71ed",
];

test("the hash is SipHash-2-4-128 as its authors publish it", () => {
  for (const [length, expected] of published.entries()) {
    const message = Uint8Array.from({ length }, (_, at) => at);
    assert.equal(hashedByTwin(message, secret), expected, `twin, ${length} bytes`);
    assert.equal(hashedByWasm(message, secret), expected, `wasm, ${length} bytes`);
  }
});

test("both kernels hash alike, whatever the key and the secret", () => {
  const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes16, (key, under) => {
      assert.equal(hashedByWasm(key, under), hashedByTwin(key, under));
    }),
    { numRuns: 500 },
  );
});

interface Entry {
  readonly key: string | null;
  readonly gap: number;
}

/** A batch's records with gaps between their offsets, as compaction leaves them. */
function batchOf(kernel: Kernel, entries: readonly Entry[]): { bytes: Uint8Array; index: RecordIndex; last: number } {
  const keys = entries.map(({ key }) => (key === null ? null : new TextEncoder().encode(key)));
  const bytes = kernel.encodeBatch(keys.map((key) => ({ key, value: key, headers: [], timestamp: 1 }))).slice();
  const found = kernel.indexBatch(bytes);
  assert.ok(found.ok);
  const fields = found.fields.slice();
  let last = -1;
  for (const [at, { gap }] of entries.entries()) {
    last += 1 + gap;
    fields[at * recordStride + field.offsetDelta] = last;
  }
  return { bytes, index: { ...found, fields, timestampDeltas: found.timestampDeltas.slice() }, last };
}

const entries = fc.array(
  fc.record({
    key: fc.oneof(
      {
        weight: 8,
        arbitrary: fc.constantFrom("", "a", "b", "aa", "key-1", "key-2", "a longer key than sixteen bytes"),
      },
      { weight: 1, arbitrary: fc.string({ maxLength: 40 }) },
      { weight: 1, arbitrary: fc.constant(null) },
    ),
    gap: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat(3)),
  }),
  { minLength: 1, maxLength: 12 },
);

test("superseded is what a later record of the same key is noted for, as a plain map has it", () => {
  const seen = { superseded: 0, latest: 0, withoutKey: 0, belowBase: 0 };
  fc.assert(
    fc.property(
      fc.array(entries, { minLength: 1, maxLength: 6 }),
      fc.nat(20),
      fc.nat(2 ** 40),
      (batches, skip, first) => {
        for (const kernel of kernels) {
          const base = first + skip;
          const map = kernel.openOffsetMap(secret, base);
          assert.ok(map !== null);
          const expected = new Map<string, number>();
          const noted: { offset: number; made: ReturnType<typeof batchOf>; batch: readonly Entry[] }[] = [];
          let offset = first;
          for (const batch of batches) {
            const made = batchOf(kernel, batch);
            assert.equal(map.note(made.bytes, made.index, offset), batch.length);
            for (const [at, { key }] of batch.entries()) {
              const own = offset + made.index.fields[at * recordStride + field.offsetDelta]!;
              if (own < base) seen.belowBase++;
              if (key !== null && own >= base) expected.set(key, own);
            }
            noted.push({ offset, made, batch });
            offset += made.last + 1;
          }
          assert.equal(map.keys, expected.size);
          for (const { offset: batchOffset, made, batch } of noted) {
            const verdicts = map.superseded(made.bytes, made.index, batchOffset);
            assert.equal(verdicts.length, batch.length);
            for (const [at, { key }] of batch.entries()) {
              const own = batchOffset + made.index.fields[at * recordStride + field.offsetDelta]!;
              const isSuperseded = key === null || (expected.get(key) ?? -1) > own;
              assert.equal(verdicts[at], isSuperseded ? 1 : 0, `${kernel.name}: key ${key} at ${own}`);
              if (key === null) seen.withoutKey++;
              else if (isSuperseded) seen.superseded++;
              else seen.latest++;
            }
          }
          map.close();
        }
      },
    ),
    { numRuns: 400 },
  );
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 200, `${what}: ${count}`);
});

test("one map at a time; a closed one says so instead of touching another's", () => {
  for (const kernel of kernels) {
    const { bytes, index } = batchOf(kernel, [{ key: "k", gap: 0 }]);
    const first = kernel.openOffsetMap(secret, 0);
    assert.ok(first !== null);
    assert.equal(kernel.openOffsetMap(secret, 0), null);
    first.note(bytes, index, 0);
    first.close();
    first.close();
    const second = kernel.openOffsetMap(secret, 0);
    assert.ok(second !== null);
    first.close();
    assert.throws(() => first.note(bytes, index, 5), RangeError);
    assert.throws(() => first.superseded(bytes, index, 5), RangeError);
    assert.throws(() => first.keys, RangeError);
    assert.equal(second.keys, 0, "nothing of the first is left");
    assert.equal(second.superseded(bytes, index, 0)[0], 0);
    assert.equal(kernel.openOffsetMap(secret, 0), null, "closing twice did not close the second");
    second.close();
  }
});

/** So many keys of four bytes, from `from` on. */
function distinct(kernel: Kernel, from: number, count: number): { bytes: Uint8Array; index: RecordIndex } {
  const keys = Array.from({ length: count }, (_, at) => {
    const key = new Uint8Array(4);
    new DataView(key.buffer).setInt32(0, from + at);
    return { key, value: null, headers: [], timestamp: 0 };
  });
  const bytes = kernel.encodeBatch(keys).slice();
  const found = kernel.indexBatch(bytes);
  assert.ok(found.ok && found.count === count);
  return { bytes, index: { ...found, fields: found.fields.slice(), timestampDeltas: found.timestampDeltas.slice() } };
}

test("a full map takes known keys, no new one, and says at which record it was full", () => {
  for (const kernel of kernels) {
    const map = kernel.openOffsetMap(secret, 0);
    assert.ok(map !== null);
    const step = 100_000;
    let taken = 0;
    for (;;) {
      const { bytes, index } = distinct(kernel, taken, step);
      const now = map.note(bytes, index, taken);
      taken += now;
      if (now < step) break;
    }
    assert.equal(taken, mostKeys, kernel.name);
    assert.equal(map.keys, mostKeys);
    const known = distinct(kernel, 0, 1000);
    assert.equal(map.note(known.bytes, known.index, mostKeys), 1000);
    assert.deepEqual([...new Set(map.superseded(known.bytes, known.index, 0))], [1]);
    assert.deepEqual([...new Set(map.superseded(known.bytes, known.index, mostKeys))], [0]);
    map.close();
  }
});

test("a batch of more records than the columns hold is noted and judged whole", () => {
  const count = 300_000;
  for (const kernel of kernels) {
    const { bytes, index } = distinct(kernel, 0, count);
    const map = kernel.openOffsetMap(secret, 0);
    assert.ok(map !== null);
    assert.equal(map.note(bytes, index, 0), count);
    assert.equal(map.keys, count);
    const last = distinct(kernel, count - 1, 1);
    assert.equal(map.note(last.bytes, last.index, count), 1);
    const verdicts = map.superseded(bytes, index, 0);
    assert.equal(verdicts.length, count);
    assert.equal(verdicts.indexOf(1), count - 1);
    map.close();
  }
});

test("offsets too far from the map's base are not taken", () => {
  for (const kernel of kernels) {
    const map = kernel.openOffsetMap(secret, 5);
    assert.ok(map !== null);
    const { bytes, index } = batchOf(kernel, [
      { key: "a", gap: 0 },
      { key: "b", gap: 0 },
    ]);
    assert.equal(map.note(bytes, index, 5 + 2 ** 32 - 2), 1);
    assert.equal(map.keys, 1);
    assert.deepEqual([...map.superseded(bytes, index, 4 + 2 ** 32 - 2)], [1, 0]);
    assert.equal(map.note(bytes, index, 2 ** 53 - 9), 0);
    map.close();
  }
});

test("a map's calls leave what indexBatch found, and a prepared run, as they are", () => {
  for (const kernel of kernels) {
    const map = kernel.openOffsetMap(secret, 0);
    assert.ok(map !== null);
    const records = ["a", "b", "a"].map((key) => ({
      key: new TextEncoder().encode(key),
      value: null,
      headers: [],
      timestamp: 3,
    }));
    const run = kernel.prepareRun(kernel.encodeBatch(records).slice(), {
      ...{ baseOffset: 9, leaderEpoch: 1, maxBatchBytes: 1 << 20, appendTimeMs: -1 },
    });
    assert.ok(run.ok);
    const before = run.bytes.slice();
    const index = kernel.indexBatch(run.bytes);
    assert.ok(index.ok);
    const fields = index.fields.slice();
    map.note(run.bytes, index, 9);
    const verdicts = map.superseded(run.bytes, index, 9);
    kernel.crc32c(before);
    assert.deepEqual([...verdicts], [1, 0, 0]);
    assert.deepEqual(index.fields, fields);
    assert.deepEqual(run.bytes, before);
    map.close();
  }
});
