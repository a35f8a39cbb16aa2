// Many waits on one timer of the clock.
//
// Owns: the order in which waits come due (a binary heap by due time, ties by age).
// Never: reads the wall clock; a jump of it moves no wait.
//
// Invariants: the clock holds at most one timer of ours, for the earliest wait, and none when
//   nothing waits; a cancelled wait leaves at once and never runs.

import type { Clock } from "../port/world.ts";

/** A runtime's timer takes an int32 of milliseconds; a longer one fires at once. */
const maxScheduleMs = 2 ** 31 - 1;

export interface Timer {
  /** Idempotent; after it the timer does not run. */
  cancel(): void;
}

interface Wait {
  readonly dueMs: number;
  readonly age: number;
  readonly run: () => void;
  /** Place in the heap; -1 when due or cancelled. */
  place: number;
  state: "waiting" | "due" | "over";
}

export class Timers {
  readonly #clock: Clock;
  readonly #heap: Wait[] = [];
  #nextAge = 0;
  #cancelSchedule: (() => void) | null = null;
  /** The wait that the clock's timer is for is due then, or later when one timer cannot span it. */
  #scheduledMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits that have not come due. */
  get size(): number {
    return this.#heap.length;
  }

  /** Runs `run` once, no sooner than `delayMs` from now, never within this call; never when Infinity. */
  after(delayMs: number, run: () => void): Timer {
    // What is no number is no wait: in the heap it would hold up all others.
    const waitMs = Number.isNaN(delayMs) ? 0 : Math.max(0, delayMs);
    const dueMs = this.#clock.monotonic() + waitMs;
    const wait: Wait = { dueMs, age: this.#nextAge, run, place: -1, state: "waiting" };
    this.#nextAge += 1;
    if (this.#closed || dueMs === Number.POSITIVE_INFINITY) wait.state = "over";
    else {
      this.#insert(wait);
      this.#schedule();
    }
    return { cancel: () => this.#cancel(wait) };
  }

  /** Drops every wait; none runs any more. */
  close(): void {
    this.#closed = true;
    for (const wait of this.#heap) {
      wait.state = "over";
      wait.place = -1;
    }
    this.#heap.length = 0;
    this.#schedule();
  }

  #cancel(wait: Wait): void {
    const { place } = wait;
    wait.state = "over";
    if (place === -1) return;
    this.#remove(place);
    this.#schedule();
  }

  #schedule(): void {
    const first = this.#heap[0];
    if (first === undefined) {
      this.#cancelSchedule?.();
      this.#cancelSchedule = null;
      this.#scheduledMs = Number.POSITIVE_INFINITY;
      return;
    }
    // A timer that fires too early finds nothing due and schedules again: only a later one must go.
    if (this.#cancelSchedule !== null && this.#scheduledMs <= first.dueMs) return;
    this.#cancelSchedule?.();
    const nowMs = this.#clock.monotonic();
    this.#scheduledMs = Math.min(first.dueMs, nowMs + maxScheduleMs);
    const delayMs = Math.max(0, Math.ceil(this.#scheduledMs - nowMs));
    this.#cancelSchedule = this.#clock.schedule(delayMs, () => this.#fire());
  }

  #fire(): void {
    this.#cancelSchedule = null;
    this.#scheduledMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonic();
    // Taken out before any runs: a wait of 0 ms made by one of them comes in a later turn.
    const due: Wait[] = [];
    while (this.#heap.length > 0 && this.#heap[0]!.dueMs <= nowMs) {
      const wait = this.#heap[0]!;
      this.#remove(0);
      wait.state = "due";
      due.push(wait);
    }
    this.#schedule();
    let thrown: { readonly error: unknown } | null = null;
    for (const wait of due) {
      if (wait.state !== "due" || this.#closed) continue;
      wait.state = "over";
      try {
        wait.run();
      } catch (error) {
        thrown ??= { error };
      }
    }
    if (thrown !== null) throw thrown.error;
  }

  #insert(wait: Wait): void {
    wait.place = this.#heap.length;
    this.#heap.push(wait);
    this.#rise(wait.place);
  }

  #remove(place: number): void {
    const removed = this.#heap[place]!;
    const last = this.#heap.pop()!;
    removed.place = -1;
    if (last === removed) return;
    this.#heap[place] = last;
    last.place = place;
    this.#rise(place);
    this.#sink(last.place);
  }

  #rise(from: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#swapWhenLater(parent, place)) return;
      place = parent;
    }
  }

  #sink(from: number): void {
    let place = from;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= this.#heap.length) return;
      if (child + 1 < this.#heap.length && isLater(this.#heap[child]!, this.#heap[child + 1]!)) child += 1;
      if (!this.#swapWhenLater(place, child)) return;
      place = child;
    }
  }

  #swapWhenLater(upper: number, lower: number): boolean {
    const one = this.#heap[upper]!;
    const other = this.#heap[lower]!;
    if (!isLater(one, other)) return false;
    this.#heap[upper] = other;
    this.#heap[lower] = one;
    other.place = upper;
    one.place = lower;
    return true;
  }
}

function isLater(one: Wait, other: Wait): boolean {
  return one.dueMs === other.dueMs ? one.age > other.age : one.dueMs > other.dueMs;
}
