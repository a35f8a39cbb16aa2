import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Clock } from "../port/world.ts";
import { Timers } from "./timers.ts";

interface ClockWait {
  readonly dueMs: number;
  readonly run: () => void;
}

/** A clock that a test moves; like a runtime's, it fires a delay over an int32 at once. */
class ManualClock implements Clock {
  nowMs = 0.5;
  scheduled = 0;
  longestDelayMs = 0;
  #waits: ClockWait[] = [];

  now(): number {
    return assert.fail("a wait must not read the wall clock");
  }
  monotonic(): number {
    return this.nowMs;
  }
  schedule(delayMs: number, run: () => void): () => void {
    this.scheduled += 1;
    this.longestDelayMs = Math.max(this.longestDelayMs, delayMs);
    const wait = { dueMs: this.nowMs + (delayMs > 2 ** 31 - 1 ? 1 : delayMs), run };
    this.#waits.push(wait);
    return () => {
      this.#waits = this.#waits.filter((other) => other !== wait);
    };
  }
  get waiting(): number {
    return this.#waits.length;
  }
  /** Runs what comes due, each at its time, or a little early as some runtimes do. */
  advanceTo(endMs: number, earlyMs = 0): void {
    for (;;) {
      const [next] = [...this.#waits].sort((one, other) => one.dueMs - other.dueMs);
      if (next === undefined || next.dueMs > endMs) break;
      this.#waits = this.#waits.filter((wait) => wait !== next);
      this.nowMs = Math.max(this.nowMs, next.dueMs - earlyMs);
      next.run();
    }
    this.nowMs = Math.max(this.nowMs, endMs);
  }
}

test("waits run in the order of their times, never early, never when cancelled, on one timer of the clock", () => {
  const command = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("after" as const), by: fc.nat(50) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), by: fc.nat(100) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), by: fc.integer({ min: 1, max: 40 }) }) },
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60, size: "max" }), (commands) => {
      const clock = new ManualClock();
      const timers = new Timers(clock);
      const waits: { readonly dueMs: number; readonly cancel: () => void; state: string }[] = [];
      const ran: number[] = [];
      for (const { kind, by } of commands) {
        if (kind === "after") {
          const index = waits.length;
          const dueMs = clock.nowMs + by;
          const { cancel } = timers.after(by, () => {
            assert.ok(clock.nowMs >= dueMs, "early");
            assert.equal(waits[index]!.state, "waiting");
            waits[index]!.state = "ran";
            ran.push(index);
          });
          waits.push({ dueMs, cancel, state: "waiting" });
        } else if (kind === "cancel") {
          const wait = waits[by % Math.max(1, waits.length)];
          wait?.cancel();
          if (wait?.state === "waiting") wait.state = "cancelled";
        } else {
          clock.advanceTo(clock.nowMs + by);
          for (const wait of waits) if (wait.state === "waiting") assert.ok(wait.dueMs > clock.nowMs, "late");
        }
        const left = waits.filter((wait) => wait.state === "waiting").length;
        assert.equal(timers.size, left);
        assert.equal(clock.waiting, Math.min(1, left));
      }
      const inOrder = [...ran].sort((one, other) => waits[one]!.dueMs - waits[other]!.dueMs || one - other);
      assert.deepEqual(ran, inOrder);
    }),
  );
});

test("a wait of 60 days waits 60 days", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  let ran = false;
  const days = 86_400_000;
  timers.after(60 * days, () => {
    ran = true;
  });
  clock.advanceTo(59.9 * days);
  assert.equal(ran, false);
  clock.advanceTo(61 * days);
  assert.equal(ran, true);
  assert.ok(clock.longestDelayMs < 2 ** 31);
});

test("a clock that fires early is asked again", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  let ranAtMs = 0;
  timers.after(100, () => {
    ranAtMs = clock.nowMs;
  });
  clock.advanceTo(100.3, 0.9);
  assert.equal(ranAtMs, 0);
  clock.advanceTo(200);
  assert.ok(ranAtMs >= 100.5);
});

test("a fraction of a millisecond is waited out, not spun away", () => {
  const clock = new ManualClock();
  new Timers(clock).after(10.4, () => {});
  assert.equal(clock.longestDelayMs, 11);
});

test("many waits for the same time cost the clock one timer", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  let ran = 0;
  for (let count = 0; count < 1000; count += 1)
    timers.after(30_000, () => {
      ran += 1;
    });
  assert.equal(clock.scheduled, 1);
  clock.advanceTo(40_000);
  assert.equal(ran, 1000);
  assert.equal(clock.waiting, 0);
});

test("a wait made while others run comes later, one cancelled by another never", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  const ran: string[] = [];
  timers.after(1, () => {
    ran.push("first");
    victim.cancel();
    timers.after(0, () => ran.push("nested"));
  });
  const victim = timers.after(1, () => ran.push("victim"));
  timers.after(1, () => ran.push("last"));
  clock.advanceTo(10);
  assert.deepEqual(ran, ["first", "last", "nested"]);
});

test("one that throws takes no other with it", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  let ran = 0;
  timers.after(1, () => {
    throw new Error("mine");
  });
  timers.after(1, () => {
    ran += 1;
  });
  timers.after(2, () => {
    ran += 1;
  });
  assert.throws(() => clock.advanceTo(1.5), /mine/);
  clock.advanceTo(10);
  assert.equal(ran, 2);
});

test("close drops every wait, also between two that are due; Infinity never comes", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  let ran = 0;
  timers.after(Number.POSITIVE_INFINITY, () => assert.fail("never"));
  assert.equal(clock.waiting, 0);
  timers.after(1, () => {
    ran += 1;
    timers.close();
  });
  timers.after(1, () => {
    ran += 1;
  });
  timers.after(5, () => {
    ran += 1;
  });
  clock.advanceTo(10);
  timers.after(1, () => {
    ran += 1;
  });
  clock.advanceTo(20);
  assert.equal(ran, 1);
  assert.equal(clock.waiting, 0);
});

test("a wait of no number is none, and holds up no other", () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  const ran: number[] = [];
  for (const delayMs of [Number.NaN, 5, Number.NaN, 1]) timers.after(delayMs, () => ran.push(delayMs));
  clock.advanceTo(100);
  assert.deepEqual(ran, [Number.NaN, Number.NaN, 1, 5]);
});
