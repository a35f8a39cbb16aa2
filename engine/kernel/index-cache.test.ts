import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IndexCache } from "./index-cache.ts";
import type { IndexTable } from "./kernel.ts";

const start = 1_000;
const sizeBytes = 16 * 1024;

interface MutableTable extends IndexTable {
  count: number;
  version: number;
}

const tableOf = (entrySizeBytes: 8 | 12, count: number): MutableTable => ({
  entrySizeBytes,
  bytes: new Uint8Array(0),
  count,
  version: 0,
});

test("a copy's keys are its table's, whatever was placed, grown, changed or evicted meanwhile", () => {
  let reused = 0;
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          table: fc.nat(7),
          grow: fc.oneof(fc.nat(3), fc.nat(900)),
          change: fc.nat(5).map((die) => die === 0),
          shrinkTo: fc.nat(5).chain((die) => (die === 0 ? fc.nat(300) : fc.constant(Infinity))),
        }),
        { maxLength: 80, size: "max" },
      ),
      (steps) => {
        const cache = new IndexCache(start, sizeBytes);
        const tables = Array.from({ length: 8 }, (_, index) => tableOf(index % 2 === 0 ? 8 : 12, 0));
        const region = new Float64Array((start + sizeBytes) / 4);
        steps.forEach(({ table: place, grow, change, shrinkTo }) => {
          const table = tables[place] as MutableTable;
          const keySizeBytes = table.entrySizeBytes === 8 ? 4 : 8;
          table.count = Math.min(table.count, shrinkTo) + grow;
          if (change || shrinkTo < Infinity) table.version++;

          const copy = cache.copyOf(table, keySizeBytes);
          if (copy === null) {
            assert.ok(table.count * keySizeBytes > sizeBytes - 64);
            table.count = 0;
            table.version++;
            return;
          }
          if (copy.count > 0) reused++;
          assert.equal(copy.position % 64, 0);
          assert.ok(copy.position >= start && copy.position + copy.sizeBytes <= start + sizeBytes);
          assert.ok(table.count * keySizeBytes <= copy.sizeBytes);
          assert.ok(copy.count <= table.count);
          // What the binding would have written; the keys lie on multiples of four bytes.
          for (let key = 0; key < table.count; key++) {
            const first: number = (copy.position + key * keySizeBytes) / 4;
            const last = first + keySizeBytes / 4 - 1;
            const name = (place * 1_000 + table.version) * 100_000 + key;
            if (key >= copy.count) region.fill(name, first, last + 1);
            else if (region[first] !== name || region[last] !== name)
              assert.fail(`key ${key} of table ${place} is another's`);
          }
          copy.count = table.count;
        });
      },
    ),
    { numRuns: 100 },
  );
  assert.ok(reused > 100, `${reused} copies used again`);
});

test("the table longest unused makes room", () => {
  const cache = new IndexCache(0, 4 * 1024);
  const [a, b, c] = [tableOf(8, 500), tableOf(8, 500), tableOf(8, 500)];
  const fill = (table: IndexTable): number => {
    const copy = cache.copyOf(table, 4);
    assert.ok(copy !== null);
    const held = copy.count;
    copy.count = table.count;
    return held;
  };
  assert.deepEqual([fill(a), fill(b), fill(a)], [0, 0, 500]);
  assert.deepEqual([fill(c), fill(a), fill(b)], [0, 500, 0]);
});

test("room to double: a growing table is copied anew only when it has doubled", () => {
  const cache = new IndexCache(0, 64 * 1024);
  const table = tableOf(8, 0);
  let copiedAnew = 0;
  for (; table.count <= 10_000; table.count++) {
    const copy = cache.copyOf(table, 4);
    assert.ok(copy !== null);
    if (copy.count === 0) copiedAnew++;
    copy.count = table.count;
  }
  // The first is empty, then at 256, 512 ... 8192.
  assert.ok(copiedAnew <= 8, `${copiedAnew} times`);
});
