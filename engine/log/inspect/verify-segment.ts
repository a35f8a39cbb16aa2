// Verifies one segment: its .log against itself, its two indexes against the .log.
//
// Owns: what is a fault within a segment, and where it lies.
// Never: judges one segment against another, or against the checkpoints (verify-partition.ts).
//
// Offsets are dense where nothing was compacted, and a batch's records are as many as its offsets. A
// base offset lies outside the checksum, so a batch may be whole and yet in the wrong place.

import type { Kernel } from "../../kernel/kernel.ts";
import { scratchBytes } from "../../limits.ts";
import { type Storage, StorageError, type StorageFile } from "../../port/storage.ts";
import type { Decompressor } from "../../port/world.ts";
import { BatchHeader, headerSizeBytes } from "../record-batch.ts";
import { segmentFileName } from "../segment-names.ts";
import { type BatchesStep, BatchScan, type FaultStep } from "./batch-scan.ts";
import { type Finding, type FindingKind, Findings, type Severity } from "./finding.ts";
import { IndexCheck } from "./index-check.ts";
import { IndexEntries } from "./index-entries.ts";

export interface VerifyOptions {
  /** Only read. */
  readonly storage: Storage;
  readonly kernel: Kernel;
  /** Opens compressed batches, whose records are counted then; without one only their checksums are. */
  readonly decompressor?: Decompressor;
  /** Ends the walk by throwing its reason, between two pieces of a file. */
  readonly signal?: AbortSignal;
  /** Told of bytes of .log files that have gone by, every few mebibytes. */
  readonly progress?: (bytes: number) => void;
}

export interface VerifyContext extends VerifyOptions {
  readonly findings: Findings;
  readonly counts: VerifyCounts;
}

/** What has gone by. */
export interface VerifyCounts {
  segments: number;
  batches: number;
  records: number;
  /** Of .log files. */
  bytes: number;
}

export function verifyContext(options: VerifyOptions): VerifyContext {
  return { ...options, findings: new Findings(), counts: { segments: 0, batches: 0, records: 0, bytes: 0 } };
}

/** Kafka's and ours. Bytes. */
export const defaultIndexIntervalBytes = 4096;

export interface SegmentToVerify {
  readonly folder: string;
  readonly baseOffset: number;
  /** Names in the folder that are no files: not opened, and said elsewhere. */
  readonly irregular: ReadonlySet<string>;
  /** Whether the next start believes the index files; else it makes them anew without a look. */
  readonly indexesCount: boolean;
  /** A bad end of the file at or above this offset is what a crash leaves behind. */
  readonly tornFrom: number;
  /** Of the topic; null when nobody says, and the default is a guess. */
  readonly indexIntervalBytes: number | null;
  /** Offsets below it may be missing: compaction took their records. */
  readonly gapsBelow: number;
  /** Each whole batch, in order. */
  batch(header: BatchHeader, position: number): void;
  /** A batch that is not whole, or out of its place: what the batches say together is doubtful from here on. */
  fault(): void;
}

export interface SegmentSeen {
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the first whole batch; the segment's name when there is none. */
  readonly firstOffset: number;
  /** One past the last offset. */
  readonly nextOffset: number;
  /** Whether the last bytes are whole batches in their places: else `nextOffset` may be more than is known. */
  readonly isEndKnown: boolean;
}

/** Yields what was found as it goes; returns what the segment holds. */
export async function* verifySegment(
  context: VerifyContext,
  segment: SegmentToVerify,
): AsyncGenerator<Finding, SegmentSeen> {
  const path = `${segment.folder}/${segmentFileName(segment.baseOffset, "log")}`;
  const file = await context.storage.open(path);
  const walk = new SegmentWalk(context, segment, file);
  try {
    await walk.open();
    const turns = walk.turns();
    for (;;) {
      context.signal?.throwIfAborted();
      const { done } = await turns.next();
      if (context.signal?.aborted === true) walk.flush();
      yield* context.findings.take();
      if (done === true) return walk.seen();
    }
  } finally {
    await walk.close();
    await file.close();
  }
}

class SegmentWalk {
  readonly #context: VerifyContext;
  readonly #segment: SegmentToVerify;
  readonly #file: StorageFile;
  readonly #scan: BatchScan;
  readonly #path: string;
  #positions: IndexCheck | null = null;
  #times: IndexCheck | null = null;
  #timesSizeBytes = 0;
  #indexFiles: StorageFile[] = [];
  #firstOffset: number | null = null;
  /** Where the next batch begins, by the last whole one. */
  #expected: number;
  /** The same, had a batch that was out of place been in its place. */
  #expectedOtherwise: number;
  #maxTimestamp = -1;
  #offsetOfMaxTimestamp = -1;
  #scannedBytes = 0;
  /** Batches since the last entry of the offset index that the interval asks an entry for; -1 once it was said. */
  #lastEntryPosition = 0;
  #isSparseAt = -1;
  /** The last batch was not whole, or not in its place. */
  #afterFault = false;
  #isBehindBadBatch = false;
  /** A bad batch may have brought a later time than those seen. */
  #isTimeDoubtful = false;

  constructor(context: VerifyContext, segment: SegmentToVerify, file: StorageFile) {
    this.#context = context;
    this.#segment = segment;
    this.#file = file;
    this.#path = file.path;
    this.#scan = new BatchScan({ file, kernel: context.kernel, isCompacted: segment.gapsBelow > 0 });
    this.#expected = segment.baseOffset;
    this.#expectedOtherwise = segment.baseOffset;
  }

  async open(): Promise<void> {
    this.#context.counts.segments += 1;
    const { findings } = this.#context;
    const { indexesCount, baseOffset, irregular } = this.#segment;
    const severity = this.#indexSeverity;
    const positions = await this.#openIndex("index");
    if (positions !== null) {
      this.#positions = new IndexCheck({
        entries: new IndexEntries(positions, 8),
        severity,
        findings,
        placeBase: 0,
        missed: ({ key, value }) =>
          `its entry for offset ${baseOffset + key} leads to byte ${value} of the log, where no batch begins`,
      });
    }
    const times = await this.#openIndex("timeindex");
    if (times !== null) {
      this.#timesSizeBytes = times.sizeBytes;
      this.#times = new IndexCheck({
        entries: new IndexEntries(times, 12),
        severity,
        findings,
        placeBase: baseOffset,
        missed: ({ key, value }) =>
          `its entry for time ${key} names offset ${baseOffset + value}, with which no batch ends`,
      });
    }
    if (this.#file.sizeBytes === 0 || !indexesCount) return;
    for (const [kind, opened] of [
      ["index", positions],
      ["timeindex", times],
    ] as const) {
      if (opened !== null || irregular.has(segmentFileName(baseOffset, kind))) continue;
      const missing = `${this.#segment.folder}/${segmentFileName(baseOffset, kind)}`;
      findings.add(severity, "index-missing", missing, "it is not there; the next start makes it anew from the log");
    }
  }

  /** An index that the next start makes anew in any case hurts nobody. */
  get #indexSeverity(): Severity {
    return this.#segment.indexesCount ? "warning" : "note";
  }

  get #indexIntervalBytes(): number {
    return this.#segment.indexIntervalBytes ?? defaultIndexIntervalBytes;
  }

  async #openIndex(kind: "index" | "timeindex"): Promise<StorageFile | null> {
    const name = segmentFileName(this.#segment.baseOffset, kind);
    if (this.#segment.irregular.has(name)) return null;
    try {
      const file = await this.#context.storage.open(`${this.#segment.folder}/${name}`);
      this.#indexFiles.push(file);
      return file;
    } catch (error) {
      if (error instanceof StorageError && error.kind === "not-found") return null;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#scan.close();
    for (const file of this.#indexFiles) await file.close();
  }

  seen(): SegmentSeen {
    return {
      path: this.#path,
      sizeBytes: this.#file.sizeBytes,
      firstOffset: this.#firstOffset ?? this.#segment.baseOffset,
      nextOffset: this.#expected,
      isEndKnown: this.#scannedBytes === this.#file.sizeBytes && !this.#afterFault,
    };
  }

  /** Says what the indexes' checks hold back. */
  flush(): void {
    this.#positions?.flush();
    this.#times?.flush();
  }

  /** Walks the file to its end, and yields where the walk may be left: between two pieces, and between two pages of an index. */
  async *turns(): AsyncGenerator<void, void> {
    for (let step = await this.#scan.next(); step !== null; step = await this.#scan.next()) {
      if (step.kind === "fault") {
        yield* this.#takeFault(step);
        if (step.unreadBytes > 0) break;
      } else {
        if (this.#positions !== null) yield* this.#positions.fill(step.position + step.bytes.length);
        if (this.#times !== null) yield* this.#times.fill(this.#lastOffsetOf(step.bytes));
        this.#takeBatches(step);
      }
      yield;
    }
    yield* this.#finish();
  }

  #takeBatches({ bytes, position }: BatchesStep): void {
    const { counts, progress } = this.#context;
    const header = new BatchHeader(bytes);
    for (let at = 0; at < bytes.length; at += header.sizeBytes) {
      header.position = at;
      this.#takeBatch(header, position + at);
      counts.batches += 1;
    }
    this.#scannedBytes = position + bytes.length;
    counts.bytes += bytes.length;
    progress?.(bytes.length);
  }

  #lastOffsetOf(bytes: Uint8Array): number {
    const header = new BatchHeader(bytes);
    let last = -1;
    for (let at = 0; at < bytes.length; at += header.sizeBytes) {
      header.position = at;
      last = Math.max(last, header.lastOffset);
    }
    return last;
  }

  #takeBatch(header: BatchHeader, position: number): void {
    const { baseOffset, lastOffset, recordCount } = header;
    this.#context.counts.records += recordCount;
    const isInPlace = this.#checkPlace(header, position);
    if (this.#afterFault) this.#times?.blind(baseOffset);
    if (isInPlace) {
      this.#checkIndex(header, position);
      this.#checkTime(header);
      this.#segment.batch(header, position);
    } else {
      this.#positions?.at(position);
      this.#isTimeDoubtful = true;
      this.#segment.fault();
    }
    if (header.codec !== null) this.#checkPayload(header, position);
    this.#afterFault = !isInPlace;
    this.#isBehindBadBatch = false;
    const otherwise = this.#expected + recordCount;
    this.#firstOffset ??= baseOffset;
    this.#expected = isPossible(header) ? lastOffset + 1 : otherwise;
    this.#expectedOtherwise = isInPlace ? this.#expected : otherwise;
  }

  /** Whether the batch's offsets are those of its place; says when they are not. */
  #checkPlace(header: BatchHeader, position: number): boolean {
    const { baseOffset } = header;
    if (baseOffset === this.#expected || baseOffset === this.#expectedOtherwise) return true;
    if (isPossible(header) && baseOffset > this.#expected && baseOffset < this.#segment.gapsBelow) return true;
    const { findings } = this.#context;
    const place = { position, offset: this.#expected };
    const name = this.#segment.baseOffset;
    if (!isPossible(header)) {
      const message = `the base offset ${baseOffset} is impossible; ${this.#expected} was expected`;
      findings.add("error", "header", this.#path, message, place);
    } else if (this.#firstOffset === null && !this.#afterFault) {
      const message = `the first batch has base offset ${baseOffset}, but the segment is named ${name}`;
      findings.add("error", "base-offset", this.#path, message, place);
    } else if (baseOffset < this.#expected) {
      const message = `the batch has base offset ${baseOffset}, but the one before it ends with ${this.#expected - 1}`;
      findings.add("error", "order", this.#path, message, place);
    } else if (this.#afterFault && this.#isBehindBadBatch) {
      // How many offsets the bad batch held is not known.
      return true;
    } else {
      const message = `offsets ${this.#expected} to ${baseOffset - 1} are missing before the batch`;
      findings.add("error", "gap", this.#path, message, place);
    }
    return false;
  }

  #checkIndex(header: BatchHeader, position: number): void {
    const relative = header.lastOffset - this.#segment.baseOffset;
    const entry = this.#positions?.at(position) ?? null;
    if (entry !== null) {
      this.#lastEntryPosition = position;
      if (entry.key !== relative) {
        const { lastOffset } = header;
        this.#positions?.wrong("index-entry", entry, () => {
          return `its entry for byte ${position} says offset ${this.#segment.baseOffset + entry.key}, but the batch there ends with ${lastOffset}`;
        });
      }
    } else if (this.#isSparseAt < 0 && position - this.#lastEntryPosition > this.#indexIntervalBytes) {
      this.#isSparseAt = position;
    }
  }

  #checkTime(header: BatchHeader): void {
    const { lastOffset, maxTimestamp } = header;
    // Only entries that lie below this batch have missed theirs.
    const entry = this.#times?.at(lastOffset) ?? null;
    if (maxTimestamp > this.#maxTimestamp) {
      this.#maxTimestamp = maxTimestamp;
      this.#offsetOfMaxTimestamp = lastOffset;
    }
    if (entry === null) return;
    if (entry.key === maxTimestamp && (maxTimestamp === this.#maxTimestamp || this.#isTimeDoubtful)) return;
    this.#times?.wrong("timeindex-time", entry, () => {
      return `its entry for offset ${lastOffset} says time ${entry.key}, but the latest up to there is ${this.#maxTimestamp}`;
    });
  }

  #checkPayload(header: BatchHeader, position: number): void {
    const { decompressor, kernel, findings } = this.#context;
    const { codec, baseOffset, recordCount, sizeBytes } = header;
    if (decompressor === undefined || codec === null || codec === undefined) return;
    const place = { position, offset: baseOffset };
    const payload = header.bytes.subarray(header.position + headerSizeBytes, header.position + sizeBytes);
    let records: Uint8Array;
    try {
      records = decompressor.decompress(codec, payload, scratchBytes);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      findings.add("error", "decompression", this.#path, `the batch cannot be opened (${codec}): ${reason}`, place);
      return;
    }
    const index = kernel.indexRecords(records, recordCount);
    if (index.ok) return;
    const kind = index.fault === "count" ? "count" : "record";
    const message = `the batch, opened (${codec}), does not hold ${recordCount} whole records (${index.fault})`;
    findings.add("error", kind, this.#path, message, place);
  }

  async *#takeFault(step: FaultStep): AsyncGenerator<void, void> {
    const { findings, counts, progress } = this.#context;
    const { position, sizeBytes } = step;
    const { kind, message } = describeFault(step);
    const isTail = step.unreadBytes > 0 || position + sizeBytes === this.#file.sizeBytes;
    const severity = isTail && this.#expected >= this.#segment.tornFrom ? "warning" : "error";
    findings.add(severity, kind, this.#path, message, { position, offset: this.#expected });
    this.#segment.fault();
    this.#afterFault = true;
    this.#isBehindBadBatch = true;
    this.#isTimeDoubtful = true;
    this.#scannedBytes = position + sizeBytes;
    counts.bytes += sizeBytes;
    progress?.(sizeBytes + step.unreadBytes);
    if (sizeBytes === 0) return;
    if (this.#positions !== null) {
      yield* this.#positions.fill(position + sizeBytes);
      this.#positions.at(position);
      this.#positions.blind(position + sizeBytes);
    }
    // Its last offset is behind the checksum, but what it says is likelier than anything else.
    const header = new BatchHeader(step.bytes);
    const claimed = header.lastOffset;
    const count = claimed - header.baseOffset + 1;
    const isLikely = header.baseOffset === this.#expected && count > 0 && count <= sizeBytes;
    if (isLikely) this.#expectedOtherwise = this.#expected + count;
  }

  async *#finish(): AsyncGenerator<void, void> {
    const { indexesCount, baseOffset, folder } = this.#segment;
    const gaveUp = this.#scannedBytes < this.#file.sizeBytes;
    if (!gaveUp) {
      if (this.#positions !== null) yield* this.#positions.finish(this.#file.sizeBytes);
      if (this.#times !== null && !this.#afterFault) yield* this.#times.finish(this.#expected);
    }
    this.flush();
    if (!indexesCount || gaveUp || this.#isTimeDoubtful || this.#maxTimestamp < 0) return;
    const last = this.#times?.last ?? null;
    if (this.#times !== null && (last === null || last.key < this.#maxTimestamp)) {
      const isEmpty = this.#timesSizeBytes === 0;
      const ends = last === null ? `it has no ${isEmpty ? "" : "right "}entry` : `it ends with time ${last.key}`;
      const latest = `the segment's latest is ${this.#maxTimestamp} at offset ${this.#offsetOfMaxTimestamp}`;
      const mended = isEmpty
        ? "the next start makes it anew from the log"
        : "look-ups by time may pass over it until log index --rebuild makes the index anew";
      const message = `${ends}, but ${latest}; ${mended}`;
      const name = `${folder}/${segmentFileName(baseOffset, "timeindex")}`;
      const position = last === null ? 0 : last.position + 12;
      this.#context.findings.add(this.#indexSeverity, "timeindex-short", name, message, { position });
    }
    // A wrong entry leaves a hole of its own.
    if (this.#positions?.faults === 0 && this.#isSparseAt >= 0) this.#saySparse(this.#positions.last === null);
  }

  #saySparse(isEmpty: boolean): void {
    const { indexIntervalBytes, baseOffset, folder } = this.#segment;
    const name = `${folder}/${segmentFileName(baseOffset, "index")}`;
    const asks = `though index.interval.bytes is ${this.#indexIntervalBytes}`;
    if (isEmpty && indexIntervalBytes !== null) {
      const message = `it has no entry, ${asks}; the next start makes it anew from the log`;
      this.#context.findings.add(this.#indexSeverity, "index-sparse", name, message, { position: 0 });
      return;
    }
    const message = `no entry leads to byte ${this.#isSparseAt} or near before it, ${asks}: look-ups there are slow`;
    this.#context.findings.add("note", "index-sparse", name, message);
  }
}

function isPossible({ baseOffset, lastOffset }: BatchHeader): boolean {
  return baseOffset >= 0 && Number.isSafeInteger(baseOffset) && lastOffset < Number.MAX_SAFE_INTEGER;
}

function describeFault({ fault, position, sizeBytes, unreadBytes, bytes }: FaultStep): {
  kind: FindingKind;
  message: string;
} {
  const rest = unreadBytes > 0 ? `; the file's last ${unreadBytes} bytes, from here on, were not read` : "";
  const claimed = bytes.length >= headerSizeBytes ? new BatchHeader(bytes) : null;
  switch (fault) {
    case "unread":
      return { kind: "unread", message: `no batch begins here, behind a bad one${rest}` };
    case "truncated": {
      const wanted = claimed === null ? "a header has 61" : `its length says ${claimed.sizeBytes}`;
      return { kind: "torn", message: `the batch ends after ${unreadBytes} bytes, but ${wanted}` };
    }
    case "checksum":
      return {
        kind: "checksum",
        message: `the batch (${sizeBytes} bytes at byte ${position}) does not match its CRC-32C`,
      };
    case "count":
      return {
        kind: "count",
        message: `the batch does not hold the ${claimed?.recordCount} records that its header says`,
      };
    case "record":
      return { kind: "record", message: "a record of the batch cannot be read" };
    case "length":
      return { kind: "header", message: `no batch begins here: its length would be ${claimed?.sizeBytes}${rest}` };
    case "too-large":
      return { kind: "header", message: `no batch begins here: its length would be ${claimed?.sizeBytes}${rest}` };
    case "magic":
      return { kind: "header", message: `no batch begins here: its magic would be ${claimed?.magic}, not 2${rest}` };
    default:
      return { kind: "header", message: `the batch's ${fault} cannot be${rest}` };
  }
}
