// The kernel's regions lie apart, and no call writes beyond those that are its own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { scratchBytes } from "../limits.ts";
import type { IndexTable, Kernel, PrepareOptions, RecordToEncode } from "./kernel.ts";
import { createTwinKernel } from "./twin.ts";
import { engineWasmBase64 } from "./wasm.generated.ts";
import { loadWasmKernel } from "./wasm.ts";

// Not every runtime's types declare it.
declare const WebAssembly: {
  instantiate(code: Uint8Array): Promise<{ readonly instance: { readonly exports: object } }>;
};

interface Region {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

const numbers = await exportedNumbers();
const memoryBytes = numbers.get("memoryBytes") as number;
const regions: Region[] = [...numbers]
  .filter(([name]) => numbers.has(`${name}Bytes`))
  .map(([name, start]) => ({ name, start, end: start + (numbers.get(`${name}Bytes`) as number) }))
  .sort((a, b) => a.start - b.start);

async function exportedNumbers(): Promise<ReadonlyMap<string, number>> {
  const code = Uint8Array.from(atob(engineWasmBase64), (character) => character.charCodeAt(0));
  const { instance } = await WebAssembly.instantiate(code);
  const named = Object.entries(instance.exports).map(
    ([name, it]) => [name, (it as { value?: unknown }).value] as const,
  );
  return new Map(named.filter((entry): entry is [string, number] => typeof entry[1] === "number"));
}

test("every region begins on a cache line, overlaps none, and lies within the memory", () => {
  const names = regions.map(({ name }) => name);
  const known = "results tables folds columns doubles staging batches indexCache verdicts offsetMap".split(" ");
  for (const name of known) assert.ok(names.includes(name), `${name} is a region`);
  let end = 1; // address 0 is nobody's
  for (const region of regions) {
    assert.equal(region.start % 64, 0, `${region.name} begins at ${region.start}`);
    assert.ok(region.start >= end, `${region.name} begins at ${region.start}, below ${end}`);
    assert.ok(region.end > region.start, `${region.name} is empty`);
    end = region.end;
  }
  assert.ok(end <= memoryBytes, `${regions.at(-1)?.name} ends at ${end} of ${memoryBytes}`);
  assert.ok((numbers.get("compilerDataEnd") as number) <= (regions[0] as Region).start);
  for (const name of numbers.keys()) {
    if (name.endsWith("Bytes") && name !== "memoryBytes")
      assert.ok(names.includes(name.slice(0, -5)), `${name} of what`);
  }
});

const options: PrepareOptions = { baseOffset: 5, leaderEpoch: 1, maxBatchBytes: scratchBytes, appendTimeMs: 7 };
const record = (valueBytes: number): RecordToEncode => ({
  key: null,
  value: new Uint8Array(valueBytes).fill(3),
  headers: [],
  timestamp: 9,
});
const twin = createTwinKernel();
/** A batch of one record of exactly this size. */
const batchOf = (sizeBytes: number): Uint8Array => {
  let valueBytes = sizeBytes - 61;
  while (twin.encodeBatch([record(valueBytes)]).length > sizeBytes) valueBytes--;
  return twin.encodeBatch([record(valueBytes)]).slice();
};
const fullRun = new Uint8Array(scratchBytes);
fullRun.set(batchOf(scratchBytes / 2));
fullRun.set(batchOf(scratchBytes / 2), scratchBytes / 2);
const mostRecords = (numbers.get("doublesBytes") as number) / 8;
const manyRecords = Array.from({ length: mostRecords }, (_, index) => ({ ...record(index % 3), timestamp: index }));
const manyBytes = twin.encodeBatch(manyRecords).slice();
const tooManyBytes = twin.encodeBatch([...manyRecords, record(0)]).slice();

const mostHeaders = new Array<readonly [Uint8Array, null]>(
  Math.floor(((numbers.get("columnsBytes") as number) / 4 - 3) / 2),
).fill([new Uint8Array(0), null]);

/** Ascending keys, 3 apart from a first. */
function tableOf(entrySizeBytes: 8 | 12, count: number): IndexTable {
  const bytes = new Uint8Array(count * entrySizeBytes);
  const view = new DataView(bytes.buffer);
  for (let entry = 0; entry < count; entry++) view.setInt32(entry * entrySizeBytes + entrySizeBytes - 8, 7 + entry * 3);
  return { entrySizeBytes, bytes, count, version: 0 };
}

/** What the columns' last batch leaves free: less than a copy of sixteen bytes may write too much. */
const leftFree = 7;
/** Copied sixteen bytes at a time, of the last one byte only. The first one shifts the canaries that such a copy takes along. */
const shortRecords = Array.from({ length: 52_000 }, (_, index) => record(index === 0 ? 0 : 300));
for (let left = scratchBytes - leftFree - twin.encodeBatch(shortRecords).length; left > 0; ) {
  // 11 bytes stand around a value from offset 8192 on.
  const sizeBytes = left > 1_000 ? 300 : left === 193 + 11 ? 193 : left - 11 - 193 - 11;
  shortRecords.push(record(sizeBytes));
  left -= sizeBytes + 11;
}

interface LargestCall {
  readonly name: string;
  /** Regions that it may write. */
  readonly writes: readonly string[];
  run(kernel: Kernel): unknown;
}

const largestCalls: readonly LargestCall[] = [
  { name: "crc32c", writes: ["folds", "staging"], run: (kernel) => kernel.crc32c(fullRun, 77) },
  { name: "murmur2", writes: ["staging"], run: (kernel) => kernel.murmur2(fullRun) },
  {
    name: "prepareRun",
    writes: ["results", "folds", "batches"],
    run: (kernel) => {
      const run = kernel.prepareRun(fullRun, options);
      return run.ok ? { ...run, bytes: run.bytes.slice() } : run;
    },
  },
  { name: "validPrefix", writes: ["results", "folds", "staging"], run: (kernel) => kernel.validPrefix(fullRun, 0) },
  {
    name: "indexRecords",
    writes: ["columns", "doubles", "staging"],
    run: (kernel) => {
      const index = kernel.indexRecords(manyBytes.subarray(61), mostRecords);
      return index.ok ? { ...index, fields: index.fields.slice(), deltas: index.timestampDeltas.slice() } : index;
    },
  },
  {
    name: "indexBatch",
    writes: ["results", "folds", "columns", "doubles", "staging"],
    run: (kernel) => {
      const index = kernel.indexBatch(manyBytes);
      return index.ok ? { ...index, fields: index.fields.slice(), deltas: index.timestampDeltas.slice() } : index;
    },
  },
  {
    name: "indexBatch of more records than the columns hold",
    writes: ["results", "folds", "staging"],
    run: (kernel) => {
      const index = kernel.indexBatch(tooManyBytes);
      return index.ok ? { ...index, fields: index.fields.slice(), deltas: index.timestampDeltas.slice() } : index;
    },
  },
  {
    name: "encodeBatch of the most records",
    writes: ["folds", "columns", "doubles", "staging", "batches"],
    run: (kernel) => kernel.encodeBatch(manyRecords).slice(),
  },
  {
    name: "encodeBatch of the most headers",
    writes: ["folds", "columns", "doubles", "batches"],
    run: (kernel) => kernel.encodeBatch([{ ...record(0), headers: mostHeaders }]).slice(),
  },
  {
    name: "encodeBatch of short records, almost to the last byte",
    writes: ["folds", "columns", "doubles", "staging", "batches"],
    run: (kernel) => kernel.encodeBatch(shortRecords).slice(),
  },
  {
    name: "encodeBatch of the most bytes",
    writes: ["folds", "columns", "doubles", "staging", "batches"],
    run: (kernel) => kernel.encodeBatch([record(scratchBytes - 61 - 13)]).slice(),
  },
];

test("the short records fill their region", () => {
  assert.equal(twin.encodeBatch(shortRecords).length, scratchBytes - leftFree);
});

test("the largest call there is writes its own regions only, and answers as the twin does", async () => {
  for (const { name, writes, run } of largestCalls) {
    const kernel = await loadWasmKernel();
    const memory = withCanaries(kernel);
    const before = memory.slice();
    const answer = run(kernel);
    const written = assertOnlyWritten(memory, before, writes, name);
    assert.deepEqual(answer, run(twin), name);
    for (const region of writes) assert.ok(written.has(region), `${name} writes no ${region}: its test is idle`);
  }
});

test("searchIndex writes its own regions only, however many tables of whatever size", async () => {
  const kernel = await loadWasmKernel();
  const memory = withCanaries(kernel);
  const before = memory.slice();
  const tables = [8, 12].flatMap((entrySizeBytes) =>
    [40, 1_000, 50_000, 700_000, 1_900_000].map((count) => tableOf(entrySizeBytes as 8 | 12, count)),
  );
  for (const table of tables) {
    // So often that a copy is worth its while.
    for (let time = 0; time < (table.count + 4096) / 128; time++) {
      for (const entry of [0, table.count >>> 1, table.count - 1]) {
        assert.equal(kernel.searchIndex(table, 7 + entry * 3), entry);
      }
    }
  }
  const written = assertOnlyWritten(memory, before, ["staging", "indexCache"], "searchIndex");
  assert.ok(written.has("indexCache"), "nothing was copied");
});

test("an offset map writes its own regions only, also when it is full", async () => {
  const kernel = await loadWasmKernel();
  const memory = withCanaries(kernel);
  const keyed = (from: number): Uint8Array => {
    const keys = Array.from({ length: mostRecords }, (_, at) => {
      const key = new Uint8Array(4);
      new DataView(key.buffer).setInt32(0, from + at);
      return { key, value: null, headers: [], timestamp: 0 };
    });
    return twin.encodeBatch(keys).slice();
  };
  const before = memory.slice();
  const map = kernel.openOffsetMap(new Uint8Array(16).fill(7), 0);
  assert.ok(map !== null);
  let taken = mostRecords;
  for (let from = 0; taken === mostRecords; from += mostRecords) {
    const bytes = keyed(from);
    const index = kernel.indexBatch(bytes);
    assert.ok(index.ok);
    taken = map.note(bytes, index, from);
    map.superseded(bytes, index, from);
  }
  const writes = ["results", "folds", "columns", "doubles", "staging", "verdicts", "offsetMap"];
  const written = assertOnlyWritten(memory, before, writes, "an offset map");
  for (const region of ["verdicts", "offsetMap"]) assert.ok(written.has(region), `${region} was not written`);
  assert.ok(taken < mostRecords, "it never was full");
});

const canary = 0x5ca1ab1e;

/** What is made when the module starts, and read ever after; of `folds`, the zeros before a message. */
const madeAtStart = ["tables", "folds"];

/** The kernel's memory, filled but for what was made at the start. */
function withCanaries(kernel: Kernel): Int32Array {
  const { buffer } = kernel.encodeBatch([{ key: null, value: null, headers: [], timestamp: 0 }]);
  assert.equal(buffer.byteLength, memoryBytes);
  const memory = new Int32Array(buffer);
  let from = 0;
  for (const { name, start, end } of regions) {
    if (!madeAtStart.includes(name)) continue;
    memory.fill(canary, from / 4, start / 4);
    from = end;
  }
  return memory.fill(canary, from / 4);
}

/** The regions that changed; fails when another changed, or what is no region's. */
function assertOnlyWritten(
  memory: Int32Array,
  before: Int32Array,
  writes: readonly string[],
  what: string,
): ReadonlySet<string> {
  const written = new Set<string>();
  for (let word = 0; word < memory.length; word++) {
    if (memory[word] === before[word]) continue;
    const owner = regions.find(({ start, end }) => word * 4 >= start && word * 4 < end);
    if (owner === undefined || !writes.includes(owner.name)) {
      assert.fail(`${what} wrote byte ${word * 4}, which is ${owner === undefined ? "nobody's" : `in ${owner.name}`}`);
    }
    written.add(owner.name);
    word = owner.end / 4 - 1; // one change of it is enough
  }
  return written;
}
