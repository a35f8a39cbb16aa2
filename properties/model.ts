// A partition log as simply as it can be said: offsets, each holding one value, of which
// a crash may take back only what nobody was promised.
//
// Owns: which claims on an offset are firm. A claim is firm when the record was acknowledged
//   with acks=all or was read by anyone; acks=leader is a promise that a crash may break.
// Never: knows of files, segments or syncs.
//
// Who made a claim is a number, the index of an event of a history; so is the time of a crash.

import type { LogName, ReadRecord } from "./history.ts";

/** Claims lie side by side but in a history of huge offsets: so many are looked at before all that there are. */
const nearOffsets = 1 << 20;

export interface Claim<Value = string> {
  readonly value: Value;
  readonly firm: boolean;
  readonly by: number;
}

/** Of values that `===` compares. */
export class PartitionModel<Value = string> {
  readonly log: LogName;
  readonly #values: (Value | undefined)[] = [];
  readonly #by: number[] = [];
  readonly #firm: boolean[] = [];
  #lastCrash = -1;
  /** One past the highest firm claim: what a restart must at least reach. */
  firmEnd = 0;

  constructor(log: LogName) {
    this.log = log;
  }

  claim(offset: number): Claim<Value> | null {
    const value = this.#values[offset];
    if (value === undefined) return null;
    return { value, firm: this.#firm[offset] as boolean, by: this.#by[offset] as number };
  }

  /** Takes note of a record that was asked for or sent as of event `since`; the claim that it contradicts, if any. */
  learn(
    offset: number,
    value: Value,
    firm: boolean,
    by: number,
    invokedAt: (event: number) => number,
  ): Claim<Value> | null {
    const known = this.#values[offset];
    if (known === value && this.#firm[offset]) return null;
    const isVoid =
      known !== undefined && !this.#firm[offset] && invokedAt(this.#by[offset] as number) <= this.#lastCrash;
    if (known !== undefined && known !== value && !isVoid) return this.claim(offset);
    if (known === undefined || isVoid || (firm && !this.#firm[offset])) {
      this.#values[offset] = value;
      this.#by[offset] = by;
      this.#firm[offset] = firm;
    }
    if (firm && offset >= this.firmEnd) this.firmEnd = offset + 1;
    return null;
  }

  /** Promises that were not firm and were given before this are void. */
  crashed(at: number): void {
    this.#lastCrash = at;
  }

  /** The lowest firm claim at or after `offset` that was known before event `before`. */
  firmFrom(offset: number, before: number): { readonly offset: number; readonly claim: Claim<Value> } | null {
    const counts = (at: number): boolean => this.#firm[at] === true && (this.#by[at] as number) < before;
    const from = Math.max(0, offset);
    const nearEnd = Math.min(this.firmEnd, from + nearOffsets);
    for (let at = from; at < nearEnd; at++)
      if (counts(at)) return { offset: at, claim: this.claim(at) as Claim<Value> };
    if (nearEnd === this.firmEnd) return null;
    let lowest = Number.POSITIVE_INFINITY;
    for (const key of Object.keys(this.#firm)) {
      const at = Number(key);
      if (at >= nearEnd && at < lowest && counts(at)) lowest = at;
    }
    return Number.isFinite(lowest) ? { offset: lowest, claim: this.claim(lowest) as Claim<Value> } : null;
  }
}

/** The first record at or after a time in log order, as Kafka answers a look-up. */
export function lookUp(records: readonly ReadRecord[], timestamp: number): ReadRecord | null {
  return records.find((record) => record.timestamp >= timestamp) ?? null;
}
