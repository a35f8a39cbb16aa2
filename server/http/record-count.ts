// How many records one body may hold, told before a value of it is built.
//
// Owns: the two numbers, and counting in JSON (cbor-item.ts counts in CBOR).
// Never: says whether the JSON is JSON: of broken JSON the count may be wrong, and parsing refuses it.
//
// Invariants: what stands in strings counts nothing; looks at every byte once.

import { MoldauError } from "../../engine/index.ts";

/** Records of a body that is no stream: each costs far more in memory than its bytes. */
export const maxBodyRecords: number = 50_000;
/** Arrays and objects of such a body, all told: a record is one, with headers two, and one a header. */
export const maxBodyContainers: number = 1_000_000;
/** {"records":[..]}: the records lie this deep. */
export const recordsDepth: number = 2;

export function checkRecords(count: number): void {
  if (count > maxBodyRecords) throw tooMany(maxBodyRecords, "records");
}

export function checkContainers(count: number): void {
  if (count > maxBodyContainers) throw tooMany(maxBodyContainers, "arrays and objects");
}

export function checkJsonCounts(bytes: Uint8Array): void {
  // Each takes a byte at least.
  if (bytes.length <= Math.min(maxBodyRecords, maxBodyContainers)) return;
  let depth = 0;
  let records = 1;
  let containers = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (inString) {
      if (byte === 0x5c) at += 1;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) {
      inString = true;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      containers += 1;
      checkContainers(containers);
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1;
    } else if (byte === 0x2c && depth === recordsDepth) {
      records += 1;
      checkRecords(records);
    }
  }
}

function tooMany(most: number, of: string): MoldauError {
  return new MoldauError("MESSAGE_TOO_LARGE", `one body may hold ${most} ${of} at most; send a stream`);
}
