import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { memoryStorage } from "../../storage/memory.ts";
import { maxRunsPerKind } from "./fault-runs.ts";
import { type Finding, Findings } from "./finding.ts";
import { IndexCheck } from "./index-check.ts";
import { IndexEntries } from "./index-entries.ts";

type Entry = readonly [key: number, value: number];

function indexBytes(entries: readonly Entry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [at, [key, value]] of entries.entries()) {
    view.setInt32(at * 8, key);
    view.setInt32(at * 8 + 4, value);
  }
  return bytes;
}

interface Checked {
  readonly found: readonly Finding[];
  readonly turns: number;
  readonly reads: number;
  /** Places at which an entry was met. */
  readonly met: readonly number[];
}

/** Checks an .index against batches that begin at `places`, in pieces of `pieceBytes`. */
async function check(bytes: Uint8Array, places: readonly number[], end: number, pieceBytes = end): Promise<Checked> {
  let reads = 0;
  const storage = memoryStorage({ onOperation: ({ kind }) => void (kind === "read" && reads++) });
  const file = storage.create("index");
  file.append(bytes);
  const findings = new Findings();
  const missed = ({ key, value }: { readonly key: number; readonly value: number }): string => `${key} to ${value}`;
  const entries = new IndexEntries(file, 8);
  const checked = new IndexCheck({ entries, severity: "warning", findings, placeBase: 0, missed });
  const found: Finding[] = [];
  const met: number[] = [];
  let turns = 0;
  const go = async (walk: AsyncGenerator<void, void>): Promise<void> => {
    for (; (await walk.next()).done !== true; turns++) found.push(...findings.take());
  };
  let next = 0;
  for (let to = Math.min(pieceBytes, end); to <= end; to += Math.min(pieceBytes, end - to) || 1) {
    await go(checked.fill(to));
    for (; next < places.length && (places[next] as number) < to; next++) {
      if (checked.at(places[next] as number) !== null) met.push(places[next] as number);
    }
  }
  await go(checked.finish(end));
  found.push(...findings.take());
  return { found, turns, reads, met };
}

const rising = (count: number): Entry[] => Array.from({ length: count }, (_, at) => [at + 1, (at + 1) * 100]);
const placesOf = (count: number): number[] => Array.from({ length: count + 1 }, (_, at) => at * 100);
const short = ({ kind, position, count = 1 }: Finding): unknown[] => [kind, position, count];

test("an index whose entries lead to batches has no findings, in whatever pieces the batches come", async () => {
  const count = 20_000;
  for (const pieceBytes of [100, 5000, 1_000_000, count * 100 + 100]) {
    const { found, met } = await check(indexBytes(rising(count)), placesOf(count), count * 100 + 100, pieceBytes);
    assert.deepEqual(found, []);
    assert.equal(met.length, count);
  }
});

test("one entry that leaps ahead is the wrong one, not those behind it", async () => {
  const entries = rising(10).map(([key, value], at): Entry => [key, at === 3 ? 5_000_000 : value]);
  const { found, met } = await check(indexBytes(entries), placesOf(10), 1100);
  assert.deepEqual(found.map(short), [["index-order", 24, 1]]);
  assert.equal(met.length, 9);
});

test("entries that lead past the end, or to no batch, are blamed one by one", async () => {
  const entries: Entry[] = [...rising(3), [4, 350], [5, 500], [6, 99_000]];
  const { found, met } = await check(indexBytes(entries), placesOf(5), 600);
  assert.deepEqual(found.map(short), [
    ["index-entry", 24, 1],
    ["index-range", 40, 1],
  ]);
  assert.deepEqual(met, [100, 200, 300, 500]);
});

test("a run of the same fault is one finding, in its first entry's words, with how many and up to where", async () => {
  const zeros = 300_000;
  const whole = rising(5);
  const bytes = indexBytes([...whole, ...Array.from({ length: zeros }, (): Entry => [0, 0])]);
  const { found, turns, reads } = await check(bytes, placesOf(5), 600);
  assert.deepEqual(found.map(short), [["index-order", 40, zeros]]);
  assert.match(found[0]?.message ?? "", /leads to 0, .*; so are the 299999 entries behind it, up to byte 2400040$/);
  assert.ok(turns >= 30, `${turns} turns: nobody could leave in between`);
  assert.ok(reads <= 40, `${reads} reads of 2.4 MB`);
});

test("faults that alternate are so many findings, and one more for the rest", async () => {
  const entries = rising(5000).map(([key, value], at): Entry => [key, at % 2 === 0 ? value : value + 1]);
  const { found } = await check(indexBytes(entries), placesOf(5000), 500_100);
  assert.equal(found.length, maxRunsPerKind);
  assert.equal(
    found.reduce((sum, { count = 1 }) => sum + count, 0),
    2500,
  );
  assert.equal(found.at(-1)?.count, 2500 - maxRunsPerKind + 1);
  assert.match(found.at(-1)?.message ?? "", /; so are 2400 of the entries behind it, up to byte 40000$/);
});

test("more entries than may wait for one piece are judged all the same", async () => {
  const entries = Array.from({ length: 200_000 }, (_, at): Entry => [at, at + 1]);
  const { found } = await check(indexBytes(entries), [0], 1_000_000);
  assert.deepEqual(found.map(short), [["index-entry", 0, 200_000]]);
});

test("bytes behind the last whole entry are said", async () => {
  const { found } = await check(new Uint8Array([...indexBytes(rising(2)), 1, 2, 3]), placesOf(2), 300);
  assert.deepEqual(found.map(short), [["index-size", 16, 1]]);
});

test("whatever the bytes are: every entry is met or blamed once, and nothing is held back", async () => {
  let blamedRuns = 0;
  const place = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: -5, max: 100 }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(place, { maxLength: 60 }),
      fc.uniqueArray(fc.nat(60), { maxLength: 30 }),
      fc.integer({ min: 1, max: 61 }),
      async (values, unsorted, pieceBytes) => {
        const places = unsorted.sort((a, b) => a - b);
        const { found, met } = await check(indexBytes(values.map((value, at) => [at, value])), places, 61, pieceBytes);
        const blamed = found.reduce((sum, { count = 1 }) => sum + count, 0);
        assert.equal(met.length + blamed, values.length);
        if (found.some(({ count = 1 }) => count > 1)) blamedRuns++;
      },
    ),
    { numRuns: 300 },
  );
  assert.ok(blamedRuns > 60, `${blamedRuns} runs of faults`);
});
