// The history of a run as it comes about.
//
// Owns: when an event happened and in which life. Never: judges.

import type { EventSketch, HistoryEvent } from "../history.ts";

export class Recorder {
  readonly history: HistoryEvent[] = [];
  readonly #nowMs: () => number;
  readonly #incarnation: () => number;

  constructor(nowMs: () => number, incarnation: () => number) {
    this.#nowMs = nowMs;
    this.#incarnation = incarnation;
  }

  /** Where an operation that is sent now was invoked. */
  get now(): number {
    return this.history.length;
  }

  /** Which life lives, or lived last. */
  get life(): number {
    return this.#incarnation();
  }

  push(event: EventSketch, invokedAt: number = this.history.length): void {
    this.history.push({ ...event, atMs: this.#nowMs(), incarnation: this.#incarnation(), invokedAt } as HistoryEvent);
  }
}
