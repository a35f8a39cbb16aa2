// What a .log holds, batch by batch and record by record, as far as it can be read.
//
// Owns: the items of a dump. Never: judges offsets or indexes (verify-segment.ts), or prints.

import type { Kernel } from "../../kernel/kernel.ts";
import type { Storage } from "../../port/storage.ts";
import type { Decompressor } from "../../port/world.ts";
import { BatchHeader, headerSizeBytes } from "../record-batch.ts";
import { type DecodedRecord, decodeRecords } from "../records.ts";
import { BatchScan, type FaultStep } from "./batch-scan.ts";

export interface DumpOptions {
  /** Only read. */
  readonly storage: Storage;
  readonly kernel: Kernel;
  readonly decompressor?: Decompressor;
  /** Batches that end below it are passed over. */
  readonly fromOffset?: number;
  /** Yields the records of each batch behind it. */
  readonly records?: boolean;
  readonly signal?: AbortSignal;
}

export interface DumpedBatch {
  readonly type: "batch";
  readonly file: string;
  readonly position: number;
  readonly sizeBytes: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly recordCount: number;
  readonly leaderEpoch: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly timestampType: "CreateTime" | "LogAppendTime";
  /** `unknown` for a number that names none. */
  readonly codec: string;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  /** When compaction may take the batch's tombstones; null when no pass has seen one. Milliseconds. */
  readonly deleteHorizonMs: number | null;
  /** As the header says it. */
  readonly checksum: number;
  /** Framing, checksum, header and, where it is not compressed, its records. */
  readonly isValid: boolean;
}

export interface DumpedRecord extends DecodedRecord {
  readonly type: "record";
  readonly file: string;
  /** -1 without an idempotent producer. */
  readonly sequence: number;
}

/** What is no batch, or a batch whose records cannot be had. */
export interface DumpedFault {
  readonly type: "fault";
  readonly file: string;
  readonly position: number;
  readonly message: string;
  /** Bytes up to the file's end that nobody can read as batches; 0 when the dump goes on. */
  readonly unreadBytes: number;
}

export type Dumped = DumpedBatch | DumpedRecord | DumpedFault;

/** Yields what lies in a .log, in its order. Throws StorageError where the system cannot read. */
export async function* dumpLog(path: string, options: DumpOptions): AsyncGenerator<Dumped, void> {
  const { storage, kernel, fromOffset = 0, signal } = options;
  const file = await storage.open(path);
  // Whether compaction has been there is not asked: what is dumped is what is there.
  const scan = new BatchScan({ file, kernel, isCompacted: true });
  try {
    for (let step = await scan.next(); step !== null; step = await scan.next()) {
      signal?.throwIfAborted();
      if (step.kind === "fault") {
        yield* dumpFault(path, step);
        continue;
      }
      const header = new BatchHeader(step.bytes);
      for (let at = 0; at < step.bytes.length; at += header.sizeBytes) {
        header.position = at;
        if (header.lastOffset < fromOffset) continue;
        const position = step.position + at;
        yield describeBatch(path, header, position, true);
        if (options.records === true) yield* dumpRecords(path, header, position, options);
      }
    }
  } finally {
    await scan.close();
    await file.close();
  }
}

function* dumpFault(path: string, step: FaultStep): Generator<Dumped, void> {
  const { position, fault, unreadBytes, bytes } = step;
  if (step.sizeBytes > 0) yield describeBatch(path, new BatchHeader(bytes), position, false);
  const claims = bytes.length >= headerSizeBytes ? `, says its length, ${new BatchHeader(bytes).sizeBytes}` : "";
  const message =
    fault === "truncated"
      ? `a torn batch: ${unreadBytes} bytes are left of it${claims}`
      : fault === "unread" || step.sizeBytes === 0
        ? `no batch begins here (${fault}); the last ${unreadBytes} bytes of the file are not read`
        : `the batch is bad: ${fault}`;
  yield { type: "fault", file: path, position, message, unreadBytes };
}

function describeBatch(file: string, header: BatchHeader, position: number, isValid: boolean): DumpedBatch {
  const { baseOffset, lastOffset, baseSequence } = header;
  return {
    type: "batch",
    file,
    position,
    sizeBytes: header.sizeBytes,
    baseOffset,
    lastOffset,
    recordCount: header.recordCount,
    leaderEpoch: header.leaderEpoch,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence,
    lastSequence: baseSequence < 0 ? -1 : (baseSequence + (lastOffset - baseOffset)) % 2 ** 31,
    baseTimestamp: header.baseTimestamp,
    maxTimestamp: header.maxTimestamp,
    timestampType: header.isLogAppendTime ? "LogAppendTime" : "CreateTime",
    codec: header.codec === undefined ? "unknown" : (header.codec ?? "none"),
    isTransactional: header.isTransactional,
    isControl: header.isControl,
    deleteHorizonMs: header.hasDeleteHorizon ? header.baseTimestamp : null,
    checksum: header.checksum,
    isValid,
  };
}

function* dumpRecords(
  file: string,
  header: BatchHeader,
  position: number,
  { kernel, decompressor, fromOffset = 0 }: DumpOptions,
): Generator<Dumped, void> {
  const { baseOffset, baseSequence } = header;
  const bytes = header.bytes.subarray(header.position, header.position + header.sizeBytes);
  let records: DecodedRecord[];
  try {
    records = decodeRecords(bytes, { kernel, decompressor, fromOffset, limit: Number.POSITIVE_INFINITY });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    yield { type: "fault", file, position, message, unreadBytes: 0 };
    return;
  }
  for (const record of records) {
    const sequence = baseSequence < 0 ? -1 : (baseSequence + (record.offset - baseOffset)) % 2 ** 31;
    yield { type: "record", file, sequence, ...record };
  }
}
