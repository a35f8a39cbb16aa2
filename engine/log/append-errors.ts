// Why an append is refused, in words that say what to do.
//
// Owns: the one step from a kernel's fault, a timestamp out of bounds, or a store's failure to
//   the error a client gets.
// Never: decides whether a partition is fenced (broker/partition.ts).

import { type Effect, MoldauError } from "../errors.ts";
import type { BatchFault } from "../kernel/kernel.ts";
import { StorageError } from "../port/storage.ts";
import type { LogConfig } from "./log.ts";
import type { BatchHeader } from "./record-batch.ts";

export function checkTimestamp(header: BatchHeader, now: number, config: LogConfig): void {
  const { maxTimestamp } = header;
  if (maxTimestamp - now > config.timestampAfterMaxMs) {
    throw new MoldauError(
      "INVALID_TIMESTAMP",
      `timestamp ${maxTimestamp} is more than message.timestamp.after.max.ms (${config.timestampAfterMaxMs}) ahead of the broker's clock, ${now}`,
    );
  }
  if (now - maxTimestamp > config.timestampBeforeMaxMs) {
    throw new MoldauError(
      "INVALID_TIMESTAMP",
      `timestamp ${maxTimestamp} is more than message.timestamp.before.max.ms (${config.timestampBeforeMaxMs}) behind the broker's clock, ${now}`,
    );
  }
}

export function faultError(fault: BatchFault, position: number, maxBatchBytes: number): MoldauError {
  const where = `the batch at byte ${position}`;
  switch (fault) {
    case "too-large":
      return new MoldauError("MESSAGE_TOO_LARGE", `${where} is over max.message.bytes (${maxBatchBytes})`);
    case "magic":
      return new MoldauError(
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
        `${where} is not of format v2 (magic 2), the only one Moldau keeps`,
      );
    case "checksum":
      return new MoldauError(
        "CORRUPT_MESSAGE",
        `${where} does not match its CRC-32C: it was damaged on the way, send it again`,
      );
    case "truncated":
      return new MoldauError("CORRUPT_MESSAGE", `${where} is cut off: its length says more bytes than there are`);
    case "length":
      return new MoldauError("CORRUPT_MESSAGE", `${where} has an impossible length`);
    case "count":
      return new MoldauError("INVALID_RECORD", `${where} counts its records wrong`);
    case "record":
      return new MoldauError("INVALID_RECORD", `${where} has a record that leaves its bounds or its order`);
    case "attributes":
      return new MoldauError("INVALID_RECORD", `${where} has attributes of no meaning (codecs are 0 to 4)`);
    case "timestamp":
      return new MoldauError("INVALID_TIMESTAMP", `${where} has a timestamp beyond 2^53-1`);
    case "producer":
      return new MoldauError("INVALID_RECORD", `${where} has a producer id, epoch or sequence out of range`);
  }
}

/** A full disk is retriable and harmless; any other failure of a write fences the partition (partition.ts). */
export function storageError(error: unknown, what: string, effect: Effect = "none"): MoldauError {
  if (error instanceof MoldauError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const advice = error instanceof StorageError && error.kind === "no-space" ? ": free some space and retry" : "";
  return new MoldauError("KAFKA_STORAGE_ERROR", `${what}: ${reason}${advice}`, { cause: error, effect });
}
