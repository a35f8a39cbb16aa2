import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { tailWantedBytes } from "../limits.ts";
import { LogTail, TailCache } from "./tail-cache.ts";

test("what is found is the end of what was appended, byte for byte, within the budget", () => {
  const covered = { evicted: 0, recycled: 0, cleared: 0 };
  const sizes = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 4000, max: 9000 }));
  const step = fc.record({ log: fc.nat(2), size: sizes, clear: fc.integer({ min: 0, max: 30 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 100 }), (steps) => {
      const cache = new TailCache(40_000);
      const seen = new Map<ArrayBufferLike, unknown>();
      const logs = [0, 1, 2].map(() => ({ tail: new LogTail(cache), bytes: [] as Uint8Array[], from: 0 }));
      for (const [at, { log, size, clear }] of steps.entries()) {
        const one = logs[log] as (typeof logs)[number];
        if (clear === 0) {
          one.tail.clear();
          one.from = one.bytes.length;
          covered.cleared += 1;
        }
        const bytes = new Uint8Array(size).fill(at % 251);
        one.tail.want();
        one.tail.append(one.bytes.length, one.bytes.length + 1, bytes);
        one.bytes.push(bytes);
        assert.ok(cache.usedBytes <= cache.budgetBytes);
        for (const { tail, bytes: appended, from } of logs) {
          let first = appended.length;
          for (let offset = appended.length - 1; offset >= 0; offset -= 1) {
            const found = [...tail.from(offset, appended.length)];
            if (found.length === 0) break;
            first = offset;
            assert.deepEqual(
              found.map((chunk) => chunk.bytes),
              appended.slice(offset),
            );
            for (const chunk of found) {
              if (seen.has(chunk.bytes.buffer) && seen.get(chunk.bytes.buffer) !== chunk) covered.recycled += 1;
              seen.set(chunk.bytes.buffer, chunk);
            }
          }
          assert.ok(first >= from, "a cleared tail still answers");
          if (first > from) covered.evicted += 1;
        }
      }
    }),
    { numRuns: 600 },
  );
  for (const [name, times] of Object.entries(covered)) assert.ok(times > 60, `${name}: ${times}`);
});

test("logs that come and go leave nothing behind, though the budget is never spent", () => {
  const cache = new TailCache(1_000_000);
  const stays = new LogTail(cache);
  stays.want();
  stays.append(0, 1, new Uint8Array(10));
  for (let round = 0; round < 100; round += 1) {
    const goes = new LogTail(cache);
    goes.want();
    for (let at = 0; at < 100; at += 1) goes.append(at, at + 1, new Uint8Array(10));
    goes.clear();
  }
  assert.ok(cache.entries < 2500, `${cache.entries} entries`);
  assert.equal([...stays.from(0, 1)].length, 1);
});

test("nothing is kept of a log that nobody reads at its tail, nor for long after the last who did", () => {
  const cache = new TailCache(4 * tailWantedBytes);
  const tail = new LogTail(cache);
  const piece = new Uint8Array(tailWantedBytes / 4);
  let end = 0;
  const append = (): number => {
    tail.append(end, end + 1, piece);
    end += 1;
    return cache.usedBytes;
  };
  assert.equal(append(), 0);
  tail.want();
  for (let at = 1; at <= 4; at += 1) assert.ok(append() >= at * piece.length);
  assert.equal([...tail.from(1, end)].length, 4);
  assert.equal([...tail.from(0, end)].length, 0, "what came before it was wanted is not here");
  tail.want();
  for (let at = 5; at <= 8; at += 1) assert.ok(append() >= at * piece.length);
  assert.equal(append(), 0);
  assert.equal([...tail.from(end - 1, end)].length, 0);
  tail.want();
  assert.ok(append() > 0);
  assert.equal([...tail.from(end - 1, end)].length, 1);
});
