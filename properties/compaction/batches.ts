// Batches as a producer sends them, some of them compressed.
//
// Owns: a codec that any runtime has: runs of one byte. Never: sends anything.

import { valueBytes } from "../records.ts";
import { type BrokerOptions, kernel } from "../subject.ts";
import type { Producer, Written } from "./ledger.ts";
import type { PlannedRecord } from "./plan.ts";

/** Where the records begin, and the fields before them that compressing changes. */
const batch = { recordsAt: 61, lengthAt: 8, lengthFrom: 12, crcAt: 17, attributesAt: 21 } as const;
/** Of Kafka's codecs the number that this one goes by. */
const codec = 1;
const encoder = new TextEncoder();

export const decompressor: NonNullable<BrokerOptions["decompressor"]> = {
  decompress: (_, bytes, maxBytes) => unpacked(bytes, maxBytes),
};

export function encoded(
  written: readonly Written[],
  planned: readonly PlannedRecord[],
  packed: boolean,
  producer: Pick<Producer, "id" | "nextSequence"> | null,
): Uint8Array {
  const bytes = kernel
    .encodeBatch(
      written.map(({ key, value, timestamp }, at) => ({
        key: encoder.encode(key),
        value: value === null ? null : valueBytes(value, planned[at]?.size ?? 0),
        headers: [],
        timestamp,
      })),
      producer === null ? {} : { producerId: producer.id, producerEpoch: 0, baseSequence: producer.nextSequence },
    )
    .slice();
  return packed ? compressed(bytes) : bytes;
}

function compressed(bytes: Uint8Array): Uint8Array {
  const { recordsAt, lengthAt, lengthFrom, crcAt, attributesAt } = batch;
  const records = pack(bytes.subarray(recordsAt));
  const result = new Uint8Array(recordsAt + records.length);
  result.set(bytes.subarray(0, recordsAt));
  result.set(records, recordsAt);
  const view = new DataView(result.buffer);
  view.setInt32(lengthAt, result.length - lengthFrom);
  view.setInt16(attributesAt, codec);
  view.setUint32(crcAt, kernel.crc32c(result.subarray(attributesAt)));
  return result;
}

/** Runs of one byte: what is padded becomes a tenth of itself. */
function pack(bytes: Uint8Array): Uint8Array {
  const pairs: number[] = [];
  for (const byte of bytes) {
    const at = pairs.length - 2;
    if (at >= 0 && pairs[at + 1] === byte && (pairs[at] as number) < 255) (pairs[at] as number)++;
    else pairs.push(1, byte);
  }
  return Uint8Array.from(pairs);
}

function unpacked(bytes: Uint8Array, maxBytes: number): Uint8Array {
  let sizeBytes = 0;
  for (let at = 0; at < bytes.length; at += 2) sizeBytes += bytes[at] as number;
  if (sizeBytes > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
  const records = new Uint8Array(sizeBytes);
  let position = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    records.fill(bytes[at + 1] as number, position, position + (bytes[at] as number));
    position += bytes[at] as number;
  }
  return records;
}
