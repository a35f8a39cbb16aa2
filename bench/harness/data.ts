// What is measured is measured on: the same bytes every time.
//
// Owns: the data. Never: chance.

import type { RecordToEncode } from "../../engine/kernel/kernel.ts";

/** Milliseconds; what the first record of every batch is stamped with. */
export const firstTimestamp = 1_767_000_000_000;

/** Neither all zero nor compressible. */
export function bytesOf(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let state = 0x9e3779b9;
  for (let at = 0; at < sizeBytes; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

/** Keys of 8 bytes ("key-0042"), values of `valueBytes`, a millisecond between two. */
export function recordsOf(count: number, valueBytes: number): RecordToEncode[] {
  const values = bytesOf(valueBytes * 16);
  return Array.from({ length: count }, (_, index) => ({
    key: new TextEncoder().encode(`key-${String(index % 10_000).padStart(4, "0")}`),
    value: values.slice((index % 16) * valueBytes, ((index % 16) + 1) * valueBytes),
    headers: [],
    timestamp: firstTimestamp + index,
  }));
}

export function repeat(bytes: Uint8Array, times: number): Uint8Array {
  const all = new Uint8Array(bytes.length * times);
  for (let at = 0; at < times; at++) all.set(bytes, at * bytes.length);
  return all;
}

/** One batch of exactly that size, of records with values of `valueBytes`; the last one's value fills it up. */
export function batchOfSize(
  encodeBatch: (records: readonly RecordToEncode[]) => Uint8Array,
  sizeBytes: number,
  valueBytes: number,
): Uint8Array {
  const records = recordsOf(Math.max(1, Math.floor((sizeBytes - 512) / (valueBytes + 64))), valueBytes);
  for (;;) {
    const next = recordsOf(records.length + 1, valueBytes);
    if (encodeBatch(next).length > sizeBytes) break;
    records.push(next.at(-1) as RecordToEncode);
  }
  const last = records.length - 1;
  const { value, ...rest } = records[last] as RecordToEncode;
  // A longer value may take a longer length field too, so the gap is closed step by step.
  for (let grown = value?.length ?? 0; ; ) {
    const { length } = encodeBatch(records);
    if (length === sizeBytes) return encodeBatch(records).slice();
    if (length > sizeBytes) throw new Error(`no batch has exactly ${sizeBytes} bytes`);
    grown += Math.max(1, sizeBytes - length - 4);
    records[last] = { ...rest, value: bytesOf(grown) };
  }
}
