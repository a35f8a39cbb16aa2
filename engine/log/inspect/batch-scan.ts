// Scans a .log: whole, checked batches, and what is wrong where they are not.
//
// Owns: framing, and finding the next batch behind a bad one: by the bad one's length, as long as
//   that leads to another batch; else the rest of the file is said to be unread.
// Never: more than a few pieces of the file in memory; compares offsets (verify-segment.ts does).
//
// What enters a log is dense: as many records as offsets. What compaction has been at need not be,
// and is looked at a second time, batch by batch.
//
// Invariants: steps come in the order of the file and cover it up to where the scan gave up;
//   each step is at least a batch long, so that the scan ends whatever the bytes are.

import { type BatchFault, field, type Kernel, recordStride } from "../../kernel/kernel.ts";
import { maxRunBytes } from "../../limits.ts";
import type { StorageFile } from "../../port/storage.ts";
import { BatchHeader, headerSizeBytes } from "../record-batch.ts";
import { ReadAhead } from "./read-ahead.ts";

/** A run that goes to the kernel at once, unless one batch is longer. Bytes. */
const largestRunBytes = 2 * 1024 * 1024;

export interface BatchesStep {
  readonly kind: "batches";
  /** Whole batches, checked: framing, checksum, header and, where they are not compressed, records. */
  readonly bytes: Uint8Array;
  /** Where they begin in the file. */
  readonly position: number;
}

export interface FaultStep {
  readonly kind: "fault";
  readonly fault: BatchFault | "unread";
  readonly position: number;
  /** The header's bytes and what follows, as much as is there; empty for `unread`. */
  readonly bytes: Uint8Array;
  /** The bad batch, by its own length; 0 when that cannot be believed and the scan ends here. */
  readonly sizeBytes: number;
  /** When the scan ends here: the bytes from here to the file's end. */
  readonly unreadBytes: number;
}

export type ScanStep = BatchesStep | FaultStep;

export interface ScanOptions {
  readonly file: StorageFile;
  readonly kernel: Kernel;
  /** Positions in the file; all of it by default. */
  readonly from?: number;
  readonly to?: number;
  /** Batches may lack records: compaction took them. */
  readonly isCompacted?: boolean;
}

export class BatchScan {
  readonly #kernel: Kernel;
  readonly #to: number;
  readonly #ahead: ReadAhead;
  readonly #mayLackRecords: boolean;
  #bytes: Uint8Array = new Uint8Array(0);
  #position: number;
  #endOfFile = false;
  #done = false;
  /** How long the next run is: one batch behind a fault, then longer and longer. */
  #runBytes = largestRunBytes;
  /** The way here was a length that a failed checksum does not vouch for. */
  #doubtful = false;

  constructor({ file, kernel, from = 0, to = file.sizeBytes, isCompacted = false }: ScanOptions) {
    this.#kernel = kernel;
    this.#mayLackRecords = isCompacted;
    this.#to = to;
    this.#position = from;
    this.#ahead = new ReadAhead(file, from, to);
  }

  /** The next step; null at the end. The bytes live until the next call. */
  async next(): Promise<ScanStep | null> {
    if (this.#done) return null;
    const sizeBytes = await this.#batchSize();
    if (sizeBytes === null) {
      this.#done = true;
      return null;
    }
    if (typeof sizeBytes === "string") return this.#giveUp(sizeBytes);
    const length = Math.min(Math.max(this.#runBytes, sizeBytes), this.#bytes.length);
    const run = this.#kernel.prepareRun(this.#bytes.subarray(0, length), {
      baseOffset: 0,
      leaderEpoch: 0,
      maxBatchBytes: maxRunBytes,
      appendTimeMs: -1,
    });
    const isCompacted = !run.ok && run.position === 0 && this.#isCompacted(run.fault, sizeBytes);
    if (!run.ok && run.position === 0 && !isCompacted) return this.#skip(run.fault, sizeBytes);
    const whole = run.ok ? length : isCompacted ? sizeBytes : run.position;
    const step: BatchesStep = { kind: "batches", bytes: this.#bytes.subarray(0, whole), position: this.#position };
    this.#advance(whole);
    this.#doubtful = false;
    const isCutShort = !run.ok && run.fault !== "truncated";
    this.#runBytes = isCutShort ? 0 : Math.min(largestRunBytes, Math.max(this.#runBytes, sizeBytes) * 4);
    return step;
  }

  /** Whether the batch at the front, faulty as one that enters a log, is whole as one that compaction has left. */
  #isCompacted(fault: BatchFault, sizeBytes: number): boolean {
    const header = new BatchHeader(this.#bytes.subarray(0, sizeBytes));
    const { baseOffset, lastOffset, recordCount, codec } = header;
    // The checks before these two have passed then: the checksum's, and the rest of the header's.
    if (!this.#mayLackRecords || (fault !== "count" && fault !== "record")) return false;
    const span = lastOffset - baseOffset + 1;
    if (span < 1 || recordCount < 0 || recordCount > span) return false;
    if (codec !== null) return recordCount > 0;
    const index = this.#kernel.indexBatch(header.bytes);
    if (!index.ok) return false;
    return index.count === 0 || (index.fields[(index.count - 1) * recordStride + field.offsetDelta] as number) < span;
  }

  /** Frees what is being read; the file may be closed then. */
  close(): Promise<void> {
    this.#done = true;
    return this.#ahead.settle();
  }

  /** The whole batch at the front, read in; what is wrong with its frame; null at the end. */
  async #batchSize(): Promise<number | BatchFault | null> {
    for (;;) {
      const frame = frameOf(this.#bytes);
      if (typeof frame === "string" && frame !== "truncated") return frame;
      if (typeof frame === "number" && frame <= this.#bytes.length) return frame;
      if (this.#endOfFile) return this.#bytes.length === 0 ? null : "truncated";
      // A length past the end of the file needs no reading to be known as torn.
      if (typeof frame === "number" && this.#position + frame > this.#to) return "truncated";
      const before = this.#bytes.length;
      this.#bytes = await this.#ahead.read(this.#bytes);
      this.#endOfFile = this.#bytes.length === before;
    }
  }

  #skip(fault: BatchFault, sizeBytes: number): FaultStep {
    const position = this.#position;
    const bytes = this.#bytes.subarray(0, sizeBytes);
    this.#advance(sizeBytes);
    this.#runBytes = 0;
    this.#doubtful = fault === "checksum";
    return { kind: "fault", fault, position, bytes, sizeBytes, unreadBytes: 0 };
  }

  #giveUp(fault: BatchFault): FaultStep {
    this.#done = true;
    const unreadBytes = this.#to - this.#position;
    const bytes = this.#doubtful ? new Uint8Array(0) : this.#bytes;
    return {
      kind: "fault",
      fault: this.#doubtful ? "unread" : fault,
      position: this.#position,
      bytes,
      sizeBytes: 0,
      unreadBytes,
    };
  }

  #advance(sizeBytes: number): void {
    this.#bytes = this.#bytes.subarray(sizeBytes);
    this.#position += sizeBytes;
  }
}

/** The size of the batch at the front by its header, or what is wrong with that. */
function frameOf(bytes: Uint8Array): number | BatchFault {
  if (bytes.length < headerSizeBytes) return "truncated";
  const header = new BatchHeader(bytes);
  if (header.sizeBytes < headerSizeBytes) return "length";
  if (header.sizeBytes > maxRunBytes) return "too-large";
  return header.magic === 2 ? header.sizeBytes : "magic";
}
