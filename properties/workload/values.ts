// What a record's value says: whose it is, and the how-manieth; padded to a size.
//
// Owns: the form `process.number|....`, and the name of a tombstone, whose value says nothing: it has the
//   name of its key's process and its timestamp, which rises.

import type { StoredRecord } from "../adapter/contract.ts";
import type { ReadRecord } from "../history.ts";

export function padded(name: string, sizeBytes: number): string {
  return `${name}|`.padEnd(sizeBytes, ".");
}

/** A key of one process alone: `k0-3`. */
export function keyOf(process: string, number: number): string {
  return `${process}-${number}`;
}

export function nameOfKeyed(key: string, timestamp: number): string {
  return `${key.slice(0, key.lastIndexOf("-"))}.${timestamp}`;
}

/** A record as the history has it. What is not of this form is damaged, and must not pass for what was sent. */
export function toRead({ offset, timestamp, value, key }: StoredRecord): ReadRecord {
  const keyed = key === undefined ? {} : { key };
  if (value === null) {
    const name = key === undefined ? "null" : nameOfKeyed(key, timestamp);
    return { offset, timestamp, value: name, ...keyed, tombstone: true };
  }
  const bar = value.indexOf("|");
  const whole = bar > 0 && !/[^.]/.test(value.slice(bar + 1));
  return {
    ...{ offset, timestamp, ...keyed },
    value: whole ? value.slice(0, bar) : `damaged ${JSON.stringify(value.slice(0, 40))}`,
  };
}
