// When compaction met each tombstone: no sooner than, and no later than.
//
// Owns: which tombstones may be gone, and which have to be. Source: KIP-534 (the time counts from the pass that meets
//   a tombstone first), KAFKA-4529. Never: reads a log.

import type { Written } from "./ledger.ts";

/** A whole run of compaction. */
interface WholeRun {
  readonly beganMs: number;
  /** The active segment's: what lies from there on was left alone. */
  readonly activeBase: number;
}

export class Tombstones {
  readonly #retentionMs: number;
  /** When the first pass began that may have found a tombstone. */
  readonly #firstPassMs: Map<number, number> = new Map();
  /** When a whole run was over that certainly did. */
  readonly #surelySeenMs: Map<number, number> = new Map();
  #lastPassMs = Number.NEGATIVE_INFINITY;
  #lastRun: WholeRun | null = null;

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

  endWholeRun(written: readonly Written[], run: WholeRun, nowMs: number): void {
    for (const [offset, { value }] of written.entries()) {
      if (value === null && offset < run.activeBase && !this.#surelySeenMs.has(offset)) {
        this.#surelySeenMs.set(offset, nowMs);
      }
    }
    this.#lastRun = run;
  }

  /** null when it may be gone; else why it may not. */
  whyStill(offset: number): string | null {
    const seenMs = this.#firstPassMs.get(offset) ?? Number.POSITIVE_INFINITY;
    if (this.#lastPassMs >= seenMs + this.#retentionMs) return null;
    return `was seen at ${seenMs} and is gone after a pass at ${this.#lastPassMs}`;
  }

  /** Those that the last whole run had to take, and why. */
  *expired(start: number): Generator<readonly [offset: number, why: string], void, void> {
    if (this.#lastRun === null) return;
    const { beganMs, activeBase } = this.#lastRun;
    for (const [offset, seenMs] of this.#surelySeenMs) {
      if (offset < start || offset >= activeBase || seenMs + this.#retentionMs > beganMs) continue;
      yield [offset, `seen at ${seenMs}, is there at ${beganMs}`];
    }
  }
}
