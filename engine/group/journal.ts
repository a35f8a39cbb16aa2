// What is on its way into one partition of __consumer_offsets.
//
// Owns: that the ends of appends are heard of in the order in which they began, also when one fails
//   at once that was begun behind one which takes its time. So memory changes as the log does.
// Never: knows what a record means.

import { MoldauError, toMoldauError } from "../errors.ts";
import type { GroupLog, GroupRecord } from "./types.ts";

/** Hears of durability, or why there is none. */
export type Done = (failure: MoldauError | null) => void;

interface Entry {
  readonly done: Done;
  outcome: { readonly failure: MoldauError | null } | null;
}

export class Journal {
  readonly #log: GroupLog;
  readonly #partition: number;
  readonly #queue: Entry[] = [];
  #telling = false;
  #settled: (() => void)[] = [];

  constructor(log: GroupLog, partition: number) {
    this.#log = log;
    this.#partition = partition;
  }

  /** Appends under way. */
  get length(): number {
    return this.#queue.length;
  }

  /** `done` may be called before this returns: then nothing was written. */
  append(records: readonly GroupRecord[], done: Done): void {
    const entry: Entry = { done, outcome: null };
    this.#queue.push(entry);
    this.#log.append(this.#partition, records, (failure) => {
      entry.outcome = { failure: failure === null ? null : asCoordinatorFailure(failure) };
      this.#tell();
    });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    if (this.#queue.length === 0) return;
    await new Promise<void>((resolve) => this.#settled.push(resolve));
  }

  #tell(): void {
    // Who is told may append: that one's end is told by this loop too.
    if (this.#telling) return;
    this.#telling = true;
    for (let outcome = this.#queue[0]?.outcome ?? null; outcome !== null; outcome = this.#queue[0]?.outcome ?? null) {
      const { done } = this.#queue.shift()!;
      done(outcome.failure);
    }
    this.#telling = false;
    if (this.#queue.length > 0) return;
    const waiting = this.#settled;
    this.#settled = [];
    for (const resolve of waiting) resolve();
  }
}

/** A client of groups knows no storage errors: it is told to try again, and why. */
export function asCoordinatorFailure(thrown: unknown): MoldauError {
  const error = toMoldauError(thrown);
  if (error.code === "BROKER_CLOSED") return error;
  return new MoldauError("COORDINATOR_NOT_AVAILABLE", `groups cannot be written or read: ${error.message}`, {
    cause: error,
    effect: error.effect,
  });
}
