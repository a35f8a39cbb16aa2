import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MoldauError } from "../errors.ts";
import { maxRunBytes } from "../limits.ts";
import type { Lending } from "../log/lending.ts";
import { FetchPool } from "./fetch-pool.ts";

const mebibyte = 1024 * 1024;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const memoryOf = (sizeBytes: number): Uint8Array => new Uint8Array(sizeBytes);
const hasCode =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof MoldauError && error.code === code;

function poolOf(totalBytes: number = maxRunBytes, waiters?: number): FetchPool {
  return new FetchPool(totalBytes, memoryOf, waiters);
}

test("the memory is made at the first loan, once, and not before", () => {
  const made: number[] = [];
  const pool = new FetchPool(maxRunBytes + 100, (sizeBytes) => {
    made.push(sizeBytes);
    return new Uint8Array(sizeBytes);
  });
  assert.equal(pool.usedBytes, 0);
  assert.deepEqual(made, []);
  const lendings = [pool.lendNow(1), pool.lendNow(2)];
  assert.deepEqual(made, [pool.totalBytes]);
  for (const lending of lendings) assert.ok(lending !== null && lending.bytes.byteOffset % 64 === 0);
});

test("a pool in which the largest batch could never fit is refused", () => {
  for (const totalBytes of [0, -1, maxRunBytes - 1, Number.NaN]) assert.throws(() => poolOf(totalBytes), RangeError);
  const pool = poolOf();
  const all = pool.lendNow(maxRunBytes);
  assert.equal(all?.bytes.length, maxRunBytes);
  assert.throws(() => pool.lend(maxRunBytes + 1), hasCode("MESSAGE_TOO_LARGE"));
});

test("what is given back twice is free once, also what was kept in part", () => {
  const pool = poolOf();
  const first = pool.lendNow(1000) as Lending;
  first.keep(100);
  assert.deepEqual([first.bytes.length, pool.usedBytes], [100, 128]);
  first.keep(1000);
  assert.equal(first.bytes.length, 100, "what was given back does not come again");
  first.keep(90);
  assert.deepEqual([first.bytes.length, pool.usedBytes], [90, 128]);
  first.release();
  first.release();
  assert.equal(pool.usedBytes, 0);
  const second = pool.lendNow(500) as Lending;
  first.release();
  first.keep(0);
  assert.equal(pool.usedBytes, 512, "the room has another borrower now");
  second.release();
});

test("nobody overtakes a waiter, and one that gives up lets those behind it through", async () => {
  const pool = poolOf();
  const first = pool.lendNow(10 * mebibyte) as Lending;
  const order: string[] = [];
  const abort = new AbortController();
  const large = Promise.resolve(pool.lend(8 * mebibyte, abort.signal)).then(() => order.push("large"));
  const small = Promise.resolve(pool.lend(10)).then((lending) => {
    order.push("small");
    return lending;
  });
  assert.equal(pool.lendNow(10), null, "there is room, but others asked first");
  await settle();
  assert.deepEqual([order, pool.waiting], [[], 2]);
  abort.abort(new Error("gone"));
  await assert.rejects(large, /gone/);
  (await small).release();
  await assert.rejects(async () => {
    const filler = pool.lendNow(2 * mebibyte);
    try {
      await pool.lend(mebibyte, abort.signal);
    } finally {
      filler?.release();
    }
  }, /gone/);
  first.release();
  assert.deepEqual([pool.usedBytes, pool.waiting], [0, 0]);
});

test("waiters are bounded, and told when the pool closes; what is lent stays", async () => {
  const pool = poolOf(maxRunBytes, 1);
  const first = pool.lendNow(maxRunBytes) as Lending;
  const waiting = Promise.resolve(pool.lend(1));
  await assert.rejects(async () => pool.lend(1), hasCode("THROTTLING_QUOTA_EXCEEDED"));
  pool.close(new MoldauError("BROKER_CLOSED", "closing"));
  await assert.rejects(waiting, hasCode("BROKER_CLOSED"));
  assert.throws(() => pool.lendNow(1), hasCode("BROKER_CLOSED"));
  assert.equal(pool.usedBytes, maxRunBytes);
  first.release();
  assert.equal(pool.usedBytes, 0);
});

test("a signal that outlives many loans keeps no listener of theirs", async () => {
  const pool = poolOf();
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...parameters: Parameters<typeof add>): void => {
    listeners += 1;
    add(...parameters);
  };
  signal.removeEventListener = (...parameters: Parameters<typeof remove>): void => {
    listeners -= 1;
    remove(...parameters);
  };
  const first = pool.lend(maxRunBytes, signal) as Lending;
  const second = pool.lend(maxRunBytes, signal);
  assert.equal(listeners, 1);
  first.release();
  (await second).release();
  assert.equal(listeners, 0);
});

interface Held {
  readonly lending: Lending;
  readonly mark: number;
  room: number;
}

const roomOf = ({ bytes }: Lending): number => Math.ceil(bytes.length / 64) * 64;

/** Its own bytes are at both ends of it still. */
function demandIntact({ lending: { bytes }, mark }: Held): void {
  const ends = new Int32Array([mark]);
  const stamp = new Uint8Array(ends.buffer);
  assert.deepEqual(bytes.subarray(0, Math.min(4, bytes.length)), stamp.subarray(0, Math.min(4, bytes.length)));
  if (bytes.length >= 8) assert.deepEqual(bytes.subarray(-4), stamp);
}

function stampEnds({ lending: { bytes }, mark }: Held): void {
  const stamp = new Uint8Array(new Int32Array([mark]).buffer);
  if (bytes.length >= 8) bytes.set(stamp, bytes.length - 4);
  bytes.set(stamp.subarray(0, Math.min(4, bytes.length)));
}

test("no two lendings overlap, all lie within the budget, in the order of asking, and nobody is forgotten", async () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: maxRunBytes }));
  const command = fc.record({
    sizeBytes: size,
    act: fc.constantFrom("lend", "lend", "lend", "lendNow", "lendAndLeave", "release", "release", "keep", "again"),
    which: fc.nat(),
    keep: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const memory = new Uint8Array(maxRunBytes + 64);
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60, size: "max" }), async (commands) => {
      const pool = new FetchPool(maxRunBytes, (sizeBytes) => memory.subarray(0, sizeBytes));
      const held: Held[] = [];
      const given: Lending[] = [];
      const granted: number[] = [];
      const leavers: AbortController[] = [];
      let asked = 0;
      let gone = 0;
      const hold = (lending: Lending, mark: number): void => {
        granted.push(mark);
        const one = { lending, mark, room: roomOf(lending) };
        stampEnds(one);
        held.push(one);
      };
      const ask = (sizeBytes: number, signal?: AbortSignal): void => {
        const mark = (asked += 1);
        const lending = pool.lend(sizeBytes, signal);
        if (lending instanceof Promise) {
          lending.then(
            (late) => hold(late, mark),
            () => (gone += 1),
          );
        } else hold(lending, mark);
      };
      for (const { act, sizeBytes, which, keep } of commands) {
        if (act === "lend") ask(sizeBytes);
        else if (act === "lendAndLeave") {
          const controller = new AbortController();
          leavers.push(controller);
          ask(sizeBytes, controller.signal);
        } else if (act === "lendNow") {
          const lending = pool.lendNow(sizeBytes);
          if (lending !== null) hold(lending, (asked += 1));
        } else if (act === "again") given[which % Math.max(1, given.length)]?.release();
        else {
          const one = held[which % Math.max(1, held.length)];
          if (one !== undefined && act === "keep") {
            one.lending.keep(Math.floor(one.lending.bytes.length * keep));
            if (one.room - roomOf(one.lending) > one.room >>> 3) one.room = roomOf(one.lending);
            stampEnds(one);
          } else if (one !== undefined) {
            held.splice(held.indexOf(one), 1);
            one.lending.release();
            given.push(one.lending);
          }
        }
        if (which % 4 === 0) leavers.shift()?.abort();
        await settle();
        const ranges = held
          .filter(({ lending: { bytes } }) => bytes.length > 0)
          .map(({ lending: { bytes } }) => [bytes.byteOffset, bytes.byteOffset + bytes.length] as const)
          .sort(([one], [other]) => one - other);
        for (const [at, [start, end]] of ranges.entries()) {
          assert.ok(start % 64 === 0 && end <= maxRunBytes);
          assert.ok(at === 0 || start >= (ranges[at - 1] as readonly [number, number])[1], "two overlap");
        }
        for (const one of held) demandIntact(one);
        assert.equal(
          pool.usedBytes,
          held.reduce((sum, { room }) => sum + room, 0),
          "what is lent is counted, and nothing else",
        );
        assert.ok(pool.usedBytes <= maxRunBytes);
      }
      while (held.length > 0) {
        held.pop()!.lending.release();
        await settle();
      }
      assert.deepEqual(
        granted,
        [...granted].sort((one, other) => one - other),
        "somebody overtook",
      );
      assert.equal(granted.length + gone, asked, "somebody was forgotten");
      assert.deepEqual([pool.usedBytes, pool.waiting], [0, 0]);
      const all = pool.lendNow(maxRunBytes);
      assert.ok(all !== null, "the memory is in one piece again");
    }),
    { numRuns: 60 },
  );
});
