// When compaction can have met each tombstone at the earliest.
//
// Owns: which tombstones may be gone. Source: KIP-534 (the time counts from the pass that meets a tombstone first),
//   KAFKA-4529. Never: reads a log, or says which have to be gone (passed-tombstones.ts).

import type { Written } from "./ledger.ts";

export class Tombstones {
  readonly #retentionMs: number;
  /** When the first pass began that may have found a tombstone. */
  readonly #firstPassMs: Map<number, number> = new Map();
  #lastPassMs = Number.NEGATIVE_INFINITY;

  constructor(retentionMs: number) {
    this.#retentionMs = retentionMs;
  }

  /** A pass begins, whether or not it ends, and however long it takes. */
  beginPass(written: readonly Written[], nowMs: number): void {
    for (const [offset, { value }] of written.entries()) {
      if (value === null && !this.#firstPassMs.has(offset)) this.#firstPassMs.set(offset, nowMs);
    }
    this.passing(nowMs);
  }

  /** Written while a pass is at work: a later one of the same run may meet it. */
  writtenUnderPass(offset: number, nowMs: number): void {
    this.#firstPassMs.set(offset, nowMs);
  }

  /** A pass may still be at work. */
  passing(nowMs: number): void {
    this.#lastPassMs = Math.max(this.#lastPassMs, nowMs);
  }

  /** null when it may be gone; else why it may not. */
  whyStill(offset: number): string | null {
    const seenMs = this.#firstPassMs.get(offset) ?? Number.POSITIVE_INFINITY;
    if (this.#lastPassMs >= seenMs + this.#retentionMs) return null;
    return `was seen at ${seenMs} and is gone after a pass at ${this.#lastPassMs}`;
  }
}
