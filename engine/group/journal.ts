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
  #queue: Entry[] = [];
  #settled: (() => void)[] = [];

  constructor(log: GroupLog, partition: number) {
    this.#log = log;
    this.#partition = partition;
  }

  /** Appends under way. */
  get length(): number {
    return this.#queue.length;
  }

  append(records: readonly GroupRecord[], done: Done): void {
    const entry: Entry = { done, outcome: null };
    this.#queue.push(entry);
    const end = (failure: MoldauError | null): void => {
      entry.outcome = { failure };
      this.#tell();
    };
    this.#log.append(this.#partition, records).then(
      () => end(null),
      (thrown: unknown) => end(asCoordinatorFailure(thrown)),
    );
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    if (this.#queue.length === 0) return;
    await new Promise<void>((resolve) => this.#settled.push(resolve));
  }

  #tell(): void {
    let told = 0;
    for (
      let outcome = this.#queue[0]?.outcome ?? null;
      outcome !== null;
      outcome = this.#queue[told]?.outcome ?? null
    ) {
      this.#queue[told]!.done(outcome.failure);
      told += 1;
    }
    this.#queue = this.#queue.slice(told);
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
