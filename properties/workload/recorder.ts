// What the workload's processes see, written down as they see it.
//
// Owns: the history and its clock, the lives of the log as far as faults tell of them, how an operation
//   ends (ok, fail, info), when the history is full, and that timers fire however fast the answers come.
// Never: judges; decides what is done.
//
// Invariant: events stand in the order in which they completed, and `invokedAt` is the length of the
//   history when the operation was sent.

import { outcomeOf } from "../adapter/contract.ts";
import { AdapterShapeError } from "../adapter/contract-shapes.ts";
import type { EventSketch, HistoryEvent } from "../history.ts";

export type Answer<T> =
  | { readonly outcome: "ok"; readonly value: T; readonly invokedAt: number }
  | { readonly outcome: "fail" | "info"; readonly code: string; readonly error: unknown; readonly invokedAt: number };

export interface RecorderOptions {
  readonly operationTimeoutMs: number;
  /** Of the history: the work ends then. */
  readonly maxRecords: number;
  /**
   * Where nothing but answers would run for longer, the next operation lets the timers pass first. Without it none
   * waits: what is sent together stays together.
   */
  readonly turnEveryMs?: number;
}

export class Recorder {
  readonly history: HistoryEvent[] = [];
  readonly counts: Map<string, number> = new Map();
  operations = 0;
  incarnation = 1;
  readonly #options: RecorderOptions;
  readonly #since: number = performance.now();
  #records = 0;
  /** When timers had their turn last, as far as is known here. */
  #turnedAt = 0;
  #turning: Promise<void> | null = null;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  elapsedMs(): number {
    return performance.now() - this.#since;
  }

  /** Half of the room is for what is read at the end. */
  get isFull(): boolean {
    return this.#records >= this.#options.maxRecords / 2;
  }

  count(name: string, times = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + times);
  }

  push(event: EventSketch, invokedAt: number = this.history.length): void {
    const atMs = Math.round(this.elapsedMs() * 1000) / 1000;
    this.history.push({ ...event, atMs, incarnation: this.incarnation, invokedAt } as HistoryEvent);
    // An empty read has its place, too.
    if ("records" in event) this.#records += Math.max(1, event.records.length);
    this.#note(event);
  }

  #note(event: EventSketch): void {
    if (event.kind === "fault") this.count(`fault: ${event.what}`);
    else if (event.kind === "produce") {
      const sort =
        event.expectedEndOffset !== undefined ? "conditional" : event.producer === undefined ? "plain" : "idempotent";
      this.count(`produce (${sort}): ${event.outcome}`);
      if (event.duplicate === true) this.count("duplicates recognised");
    } else if (event.kind === "read") {
      this.count(`read (${event.manner}): ${event.outcome}`);
      this.count("records read", event.records.length);
    } else if (event.kind === "commit" || event.kind === "delete records")
      this.count(`${event.kind}: ${event.outcome}`);
    else this.count(event.kind === "topics" ? "topics listed" : event.kind);
  }

  /**
   * One operation. Without an answer in time it is `info`, whatever comes later.
   *
   * @throws {AdapterShapeError} for an answer that says nothing of the log.
   */
  async call<T>(run: () => Promise<T>): Promise<Answer<T>> {
    const { turnEveryMs = Number.POSITIVE_INFINITY } = this.#options;
    if (this.elapsedMs() - this.#turnedAt > turnEveryMs) await this.#turn();
    const invokedAt = this.history.length;
    this.operations++;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<never>((_, reject) => {
      const limit = this.#options.operationTimeoutMs;
      timer = setTimeout(() => reject(new Error(`no answer after ${limit} ms`)), limit);
    });
    try {
      return { outcome: "ok", value: await Promise.race([run(), timeout]), invokedAt };
    } catch (error) {
      if (error instanceof AdapterShapeError) throw error;
      return { ...outcomeOf(error), error, invokedAt };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Answers that are there at once come as microtasks, before any timer: a log of such answers would stop all clocks. */
  #turn(): Promise<void> {
    this.#turning ??= new Promise((resolve) =>
      setTimeout(() => {
        this.#turnedAt = this.elapsedMs();
        this.#turning = null;
        resolve();
      }, 0),
    );
    return this.#turning;
  }
}
