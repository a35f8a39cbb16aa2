import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IndexCache } from "./index-cache.ts";
import type { IndexTable } from "./kernel.ts";

const start = 1_024;
const sizeBytes = 16 * 1024;
/** A head of 64 bytes before the keys, as a stand-in for what search.ts lays out. */
const copySizeBytes = (keyRoom: number, keySizeBytes: number): number => 64 + keyRoom * keySizeBytes;
const cacheOf = (size = sizeBytes): IndexCache => new IndexCache({ position: start, sizeBytes: size, copySizeBytes });

interface MutableTable extends IndexTable {
  bytes: Uint8Array;
  count: number;
  version: number;
}

const tableOf = (entrySizeBytes: 8 | 12, count: number): MutableTable => ({
  entrySizeBytes,
  bytes: new Uint8Array(count * entrySizeBytes),
  count,
  version: 0,
});

const keySizeOf = (table: IndexTable): 4 | 8 => (table.entrySizeBytes === 8 ? 4 : 8);

type Outcome = "held" | "extended" | "made" | "refused";

/** One search, as wasm.ts does it. */
function search(cache: IndexCache, table: IndexTable): Outcome {
  const copy = cache.find(table);
  copy.uses++;
  if (copy.count === table.count && copy.version === table.version) return "held";
  if (cache.claim(table, keySizeOf(table)) === null) return "refused";
  const outcome = copy.count === 0 ? "made" : "extended";
  copy.count = table.count;
  return outcome;
}

function searches(cache: IndexCache, table: IndexTable, times: number): Record<Outcome, number> {
  const outcomes = { held: 0, extended: 0, made: 0, refused: 0 };
  for (let time = 0; time < times; time++) outcomes[search(cache, table)]++;
  return outcomes;
}

test("a copy's keys are its table's, whatever was placed, grown, changed or evicted meanwhile", () => {
  const seen = { held: 0, extended: 0, made: 0, refused: 0, evicted: 0, changed: 0, outgrown: 0, tooLarge: 0 };
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          table: fc.nat(7),
          times: fc.oneof(fc.nat(3), fc.nat(120)),
          grow: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(900)),
          spareRoom: fc.oneof(fc.constant(0), fc.nat(200)),
          change: fc.nat(7).map((die) => die === 0),
          shrinkTo: fc.nat(7).chain((die) => (die === 0 ? fc.nat(300) : fc.constant(Infinity))),
        }),
        { maxLength: 80, size: "max" },
      ),
      (steps) => {
        const cache = cacheOf();
        const tables = Array.from({ length: 8 }, (_, index) => tableOf(index % 2 === 0 ? 8 : 12, 0));
        const names = new Float64Array((start + sizeBytes) / 4);
        const held = new Map<MutableTable, number>();
        for (const { table: place, times, grow, spareRoom, change, shrinkTo } of steps) {
          const table = tables[place] as MutableTable;
          const keySizeBytes = keySizeOf(table);
          table.count = Math.min(table.count, shrinkTo) + grow;
          if (change || shrinkTo < Infinity) table.version++;
          const needed = table.count * table.entrySizeBytes;
          if (table.bytes.length < needed) table.bytes = new Uint8Array(needed + spareRoom * table.entrySizeBytes);

          for (let time = 0; time < times; time++) {
            const copy = cache.find(table);
            copy.uses++;
            const isCurrent = copy.count === table.count && copy.version === table.version;
            const before = { ...copy, version: copy.version, keyRoom: copy.keyRoom, count: copy.count };
            if (!isCurrent && cache.claim(table, keySizeBytes) === null) {
              seen.refused++;
              if (copySizeBytes(table.count, keySizeBytes) > sizeBytes) seen.tooLarge++;
              if (before.count >= 0 && before.version !== table.version) seen.changed++;
              continue;
            }
            if (isCurrent) seen.held++;
            else if (copy.count === 0) seen.made++;
            else seen.extended++;
            if (copy.count === 0 && held.has(table) && before.count < 0) seen.evicted++;
            if (copy.count === 0 && before.count > 0 && before.keyRoom < table.count) seen.outgrown++;
            held.set(table, copy.position);

            assert.equal(copy.position % 64, 0);
            const keysAt = copy.position + 64;
            assert.ok(copy.position >= start && keysAt + copy.keyRoom * keySizeBytes <= start + sizeBytes);
            assert.ok(table.count <= copy.keyRoom && copy.count <= table.count);
            assert.equal(copy.version, table.version);
            if (isCurrent && time < times - 1) continue;
            // What the binding would have written; names tell table, version and key.
            for (let key = 0; key < table.count; key++) {
              const first: number = (keysAt + key * keySizeBytes) / 4;
              const last = first + keySizeBytes / 4 - 1;
              const name = (place * 1_000 + table.version) * 100_000 + key;
              if (key >= copy.count) names.fill(name, first, last + 1);
              else if (names[first] !== name || names[last] !== name)
                assert.fail(`key ${key} of ${place} is another's`);
            }
            copy.count = table.count;
          }
        }
      },
    ),
    { numRuns: 150 },
  );
  for (const [what, times] of Object.entries(seen)) assert.ok(times >= 20, `${times} ${what}`);
});

test("a table's searches pay for its copy before it is made, and what is appended is paid for too", () => {
  const cache = cacheOf(1 << 20);
  const table = tableOf(8, 12_800);
  table.bytes = new Uint8Array(1 << 18);
  // 12,800 keys and a place, at 128 keys a search.
  assert.deepEqual(searches(cache, table, 200), { refused: 131, made: 1, held: 68, extended: 0 });
  table.count += 68 * 128 + 128;
  assert.deepEqual(searches(cache, table, 2), { extended: 1, held: 1, refused: 0, made: 0 });
  table.count += 1_000;
  assert.deepEqual(searches(cache, table, 8), { refused: 6, extended: 1, held: 1, made: 0 });
});

test("many tables searched alike stay where they are: none is copied only to push out another", () => {
  const cache = cacheOf(64 * 1024);
  // A dozen of a hundred fit.
  const tables = Array.from({ length: 100 }, () => tableOf(8, 1_300));
  const outcomes = { held: 0, extended: 0, made: 0, refused: 0 };
  let state = 7;
  for (let time = 0; time < 200_000; time++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    outcomes[search(cache, tables[Math.floor((state / 2 ** 32) * 100)] as MutableTable)]++;
  }
  assert.ok(outcomes.held > 20_000, `${outcomes.held} held of what could be 24,000`);
  assert.ok(outcomes.made < 40, `${outcomes.made} copies made`);
});

test("those searched now make room for themselves, soon after what was searched before has gone quiet", () => {
  const cache = cacheOf(64 * 1024);
  const generations = [0, 1, 2, 3].map(() => Array.from({ length: 10 }, () => tableOf(8, 1_300)));
  for (const tables of generations) {
    let held = 0;
    for (let round = 0; round < 4_000; round++) {
      for (const table of tables) if (search(cache, table) === "held" && round >= 2_000) held++;
    }
    assert.ok(held >= 18_000, `${held} of 20,000 in the second half`);
  }
});

test("room to double: a growing table is copied anew only when it has doubled", () => {
  const cache = cacheOf(256 * 1024);
  const table = tableOf(8, 0);
  let made = 0;
  for (; table.count <= 10_000; table.count++) {
    table.bytes = new Uint8Array(table.count * 8);
    if (search(cache, table) === "made") made++;
  }
  assert.ok(made >= 1 && made <= 12, `${made} times`);
});

test("where the table itself has room to grow, its copy has as much", () => {
  const cache = cacheOf(256 * 1024);
  const table = tableOf(8, 10_000);
  let made = 0;
  for (table.count = 100; table.count <= 10_000; table.count++) if (search(cache, table) === "made") made++;
  assert.equal(made, 1);
});
