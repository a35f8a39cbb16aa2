// A partition log as simply as it can be said: offsets, each holding one value, of which
// a crash may take back only what nobody was promised.
//
// Owns: which claims on an offset are firm. A claim is firm when the record was acknowledged
//   with acks=all or was read by anyone; acks=leader is a promise that a crash may break.
// Never: knows of files, segments or syncs.
//
// Who made a claim is a number, the index of an event of a history; so is the time of a crash.

import type { LogName, ReadRecord } from "./history.ts";
import { Slots } from "./slots.ts";

export interface Claim<Value = string> {
  readonly value: Value;
  readonly firm: boolean;
  readonly by: number;
}

/** Of values that `===` compares. */
export class PartitionModel<Value = string> {
  readonly log: LogName;
  readonly #slots: Slots = new Slots();
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
    const slot = this.#slots.find(offset);
    return slot < 0 ? null : this.#claimIn(slot);
  }

  #claimIn(slot: number): Claim<Value> | null {
    const value = this.#values[slot];
    if (value === undefined) return null;
    return { value, firm: this.#firm[slot] as boolean, by: this.#by[slot] as number };
  }

  /** Takes note of a record that was asked for or sent as of event `since`; the claim that it contradicts, if any. */
  learn(
    offset: number,
    value: Value,
    firm: boolean,
    by: number,
    invokedAt: (event: number) => number,
  ): Claim<Value> | null {
    const slot = this.#slots.of(offset);
    const known = this.#values[slot];
    if (known === value && this.#firm[slot]) return null;
    const isVoid = known !== undefined && !this.#firm[slot] && invokedAt(this.#by[slot] as number) <= this.#lastCrash;
    if (known !== undefined && known !== value && !isVoid) return this.#claimIn(slot);
    if (known === undefined || isVoid || (firm && !this.#firm[slot])) {
      this.#values[slot] = value;
      this.#by[slot] = by;
      this.#firm[slot] = firm;
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
    const counts = (slot: number): boolean => this.#firm[slot] === true && (this.#by[slot] as number) < before;
    const lowest = this.#slots.first(Math.max(0, offset), this.firmEnd, counts);
    return lowest === null ? null : { offset: lowest, claim: this.claim(lowest) as Claim<Value> };
  }
}

/** The first record at or after a time in log order, as Kafka answers a look-up. */
export function lookUp(records: readonly ReadRecord[], timestamp: number): ReadRecord | null {
  return records.find((record) => record.timestamp >= timestamp) ?? null;
}
