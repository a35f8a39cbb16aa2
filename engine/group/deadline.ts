// One wait that is put off again and again, as a session is by every heartbeat.
//
// Owns: when it runs. Never: touches the clock's timers when it is only put off: the timer set
//   for the earlier time finds that it is not due yet, and goes on.
//
// Invariant: runs at most once a `set`, no sooner than asked for, and not after `clear`.

import type { GroupTimers } from "./types.ts";

export class Deadline {
  readonly #timers: GroupTimers;
  readonly #monotonic: () => number;
  readonly #run: () => void;
  #timer: { cancel(): void } | null = null;
  #timerMs = Number.POSITIVE_INFINITY;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(timers: GroupTimers, monotonic: () => number, run: () => void) {
    this.#timers = timers;
    this.#monotonic = monotonic;
    this.#run = run;
  }

  get isSet(): boolean {
    return this.#dueMs !== Number.POSITIVE_INFINITY;
  }

  set(delayMs: number): void {
    this.#dueMs = this.#monotonic() + delayMs;
    if (this.#timer !== null && this.#timerMs <= this.#dueMs) return;
    this.#timer?.cancel();
    this.#wait(delayMs);
  }

  clear(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  #wait(delayMs: number): void {
    this.#timerMs = this.#dueMs;
    this.#timer = this.#timers.after(delayMs, () => {
      this.#timer = null;
      const left = this.#dueMs - this.#monotonic();
      if (left > 0) {
        this.#wait(left);
        return;
      }
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#run();
    });
  }
}
