// What a compacted topic asks of a batch: that every record has a key.
//
// Owns: the refusal, for which compressed batches are opened, within a bound.
// Never: used for other topics, whose compressed batches pass untouched.

import { MoldauError } from "../errors.ts";
import { field, type Kernel, type PreparedRun, type RecordIndex, recordStride } from "../kernel/kernel.ts";
import { maxRunBytes, scratchBytes } from "../limits.ts";
import type { Decompressor } from "../port/world.ts";
import { type BatchHeader, headerSizeBytes } from "./record-batch.ts";

/** Throws unless every record of a prepared run has a key; `header` counts from the beginning of the memory that the run lies in. */
export function demandKeys(
  run: PreparedRun,
  header: BatchHeader,
  kernel: Kernel,
  decompressor: Decompressor | undefined,
): void {
  const end = run.bytes.byteOffset + run.bytes.length;
  for (let position = run.bytes.byteOffset; position < end; position += header.sizeBytes) {
    header.position = position;
    const records = recordsOf(header, decompressor);
    const index = kernel.indexRecords(records, header.recordCount);
    if (!index.ok || !isDense(index)) {
      throw new MoldauError(
        "INVALID_RECORD",
        `a compressed batch does not hold the ${header.recordCount} records that its header says`,
      );
    }
    for (let at = 0, column = 0; at < index.count; at += 1, column += recordStride) {
      if ((index.fields[column + field.keyLength] as number) >= 0) continue;
      throw new MoldauError("INVALID_RECORD", `record ${at} of a batch has no key: the topic is compacted by key`);
    }
  }
}

function recordsOf(
  { bytes, position, sizeBytes, codec }: BatchHeader,
  decompressor: Decompressor | undefined,
): Uint8Array {
  const payload = bytes.subarray(position + headerSizeBytes, position + sizeBytes);
  if (codec === null || codec === undefined) return payload;
  if (decompressor === undefined) {
    throw new MoldauError(
      "UNSUPPORTED_COMPRESSION_TYPE",
      `a compacted topic's batches are opened for their keys, and no decompressor was handed to openBroker: send them without compression (${codec})`,
    );
  }
  let records: Uint8Array;
  try {
    records = decompressor.decompress(codec, payload, scratchBytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MoldauError("INVALID_RECORD", `a batch cannot be opened for its keys (${codec}): ${reason}`, {
      cause: error,
    });
  }
  // Compaction may have to write them without compression.
  if (records.length <= maxRunBytes - headerSizeBytes) return records;
  throw new MoldauError(
    "MESSAGE_TOO_LARGE",
    `a batch of ${records.length} bytes when opened (${codec}): a compacted topic takes ${maxRunBytes - headerSizeBytes}`,
  );
}

/** Deltas rise from 0 or above: the last one tells. */
function isDense({ count, fields }: RecordIndex): boolean {
  return fields[(count - 1) * recordStride + field.offsetDelta] === count - 1;
}
