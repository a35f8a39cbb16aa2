import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MoldauError } from "../errors.ts";
import { Budget } from "./budget.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("what can never fit is refused, what fits exactly is not", async () => {
  const budget = new Budget(100);
  await assert.rejects(
    budget.reserve(101),
    (error) => error instanceof MoldauError && error.code === "MESSAGE_TOO_LARGE",
  );
  const release = await budget.reserve(100);
  assert.equal(budget.usedBytes, 100);
  release();
  release();
  assert.equal(budget.usedBytes, 0);
});

test("a large request is not starved by small ones", async () => {
  const budget = new Budget(100);
  const order: string[] = [];
  const first = await budget.reserve(60);
  const large = budget.reserve(80).then((release) => {
    order.push("large");
    return release;
  });
  const small = budget.reserve(10).then((release) => {
    order.push("small");
    return release;
  });
  await settle();
  assert.deepEqual(order, [], "10 bytes are free, but the large one asked first");
  first();
  (await large)();
  (await small)();
  assert.deepEqual(order, ["large", "small"]);
  assert.equal(budget.usedBytes, 0);
});

test("one that gives up leaves, and lets those behind it through", async () => {
  const budget = new Budget(100);
  const first = await budget.reserve(60);
  const abort = new AbortController();
  const large = budget.reserve(80, abort.signal);
  const small = budget.reserve(10);
  abort.abort(new Error("gone"));
  await assert.rejects(large, /gone/);
  (await small)();
  assert.equal(budget.waiting, 0);
  await assert.rejects(budget.reserve(1, abort.signal), /gone/);
  first();
  assert.equal(budget.usedBytes, 0);
});

test("an abort after the grant takes nothing back", async () => {
  const budget = new Budget(10);
  const first = await budget.reserve(10);
  const abort = new AbortController();
  const waiting = budget.reserve(10, abort.signal);
  first();
  const release = await waiting;
  abort.abort();
  assert.equal(budget.usedBytes, 10);
  release();
  assert.equal(budget.usedBytes, 0);
});

test("a signal that outlives many requests keeps no listener of theirs", async () => {
  const budget = new Budget(10);
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
  const first = await budget.reserve(10, signal);
  const second = budget.reserve(10, signal);
  assert.equal(listeners, 1);
  first();
  (await second)();
  assert.equal(listeners, 0);
});

test("waiters are bounded", async () => {
  const budget = new Budget(10, 2);
  const first = await budget.reserve(10);
  const waiting = [budget.reserve(1), budget.reserve(1)];
  await assert.rejects(
    budget.reserve(1),
    (error) => error instanceof MoldauError && error.code === "THROTTLING_QUOTA_EXCEEDED" && error.retriable,
  );
  first();
  for (const release of await Promise.all(waiting)) release();
});

test("never over the total, in the order of asking, and nobody is forgotten", async () => {
  const command = fc.record({ bytes: fc.nat(60), release: fc.nat(5), abort: fc.integer({ min: 0, max: 9 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 40, size: "max" }), async (commands) => {
      const budget = new Budget(100);
      const held: (() => void)[] = [];
      const granted: number[] = [];
      let asked = 0;
      let gone = 0;
      for (const { bytes, release, abort } of commands) {
        const controller = new AbortController();
        const index = asked;
        asked += 1;
        budget.reserve(bytes, controller.signal).then(
          (give) => {
            granted.push(index);
            held.push(give);
          },
          () => {
            gone += 1;
          },
        );
        if (abort === 0) controller.abort();
        await settle();
        assert.ok(budget.usedBytes <= 100);
        if (release < 3) held.splice(release % Math.max(1, held.length), 1)[0]?.();
      }
      await settle();
      while (held.length > 0) {
        held.pop()!();
        await settle();
      }
      assert.deepEqual(
        granted,
        [...granted].sort((one, other) => one - other),
      );
      assert.equal(granted.length + gone, asked);
      assert.equal(budget.usedBytes, 0);
      assert.equal(budget.waiting, 0);
    }),
    { numRuns: 40 },
  );
});

test("room is lent at once only when it is there and nobody waits for it", async () => {
  const budget = new Budget(100);
  const give = budget.tryReserve(60)!;
  assert.equal(budget.usedBytes, 60);
  assert.equal(budget.tryReserve(41), null);
  const waiting = budget.reserve(50);
  // It would fit, but overtake the one that waits.
  assert.equal(budget.tryReserve(10), null);
  give();
  give();
  (await waiting)();
  assert.equal(budget.tryReserve(101), null);
  budget.tryReserve(100)!();
  assert.equal(budget.usedBytes, 0);
});

test("what turns out smaller gives the rest back, and never more than it has", async () => {
  const budget = new Budget(100);
  const give = budget.tryReserve(80)!;
  const waiting = budget.reserve(60);
  give(200);
  give(50);
  assert.equal(budget.usedBytes, 50);
  give(40);
  (await waiting)();
  give(70);
  assert.equal(budget.usedBytes, 40);
  give();
  give(10);
  assert.equal(budget.usedBytes, 0);
});
