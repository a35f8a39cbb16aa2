// One partition's log: append, roll, read, and how far it is durable.
//
// Owns: the segments, the log end offset, the high watermark, the log start offset, the
//   producers' sequences and the leader epochs of one partition.
// Never: waits for anybody, schedules a sync or retention (broker/partition.ts), or opens a
//   folder that it has to judge (recover.ts).
//
// Invariants: logStartOffset <= highWatermark <= logEndOffset. The high watermark is the end of
//   the contiguous synced prefix: it moves only when every file that was dirty below it, and the
//   directory that names them, has been synced. An append is one synchronous step: checks,
//   offsets, bytes and state happen together or not at all.

import { MoldauError } from "../errors.ts";
import { type Kernel, type PreparedRun, type RunBytes, sizeOfRun } from "../kernel/kernel.ts";
import { maxRunBytes } from "../limits.ts";
import { type Storage, StorageError, type StorageFile } from "../port/storage.ts";
import type { Clock, Decompressor, Logger } from "../port/world.ts";
import { replaceFile } from "../storage/replace-file.ts";
import { checkTimestamp, faultError, storageError } from "./append-errors.ts";
import { formatOffset } from "./checkpoint-file.ts";
import { type CleanupPolicy, isCompacted } from "./cleanup-policy.ts";
import { demandKeys } from "./keyed-records.ts";
import type { LeaderEpochs } from "./leader-epochs.ts";
import { type Lender, ownMemory } from "./lending.ts";
import { LogReader, type ReadBatches } from "./log-reader.ts";
import type { ProducerState } from "./producer-state.ts";
import { BatchHeader } from "./record-batch.ts";
import { removeIfThere, Segment, type SegmentContext } from "./segment.ts";
import { compactionCheckpointName, segmentFileName } from "./segment-names.ts";
import { stagedPath } from "./segment-swap.ts";
import type { LogTail } from "./tail-cache.ts";

/** What of a topic's configs the log itself needs. Bytes and milliseconds. */
export interface LogConfig {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentIndexBytes: number;
  readonly indexIntervalBytes: number;
  readonly maxMessageBytes: number;
  readonly timestampType: "CreateTime" | "LogAppendTime";
  readonly timestampAfterMaxMs: number;
  readonly timestampBeforeMaxMs: number;
  readonly cleanupPolicy: CleanupPolicy;
}

export interface LogContext {
  readonly storage: Storage;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Opens batches of compacted topics, for their keys. */
  readonly decompressor: Decompressor | undefined;
  readonly folder: string;
  readonly tail: LogTail;
  readonly segmentContext: SegmentContext;
  config: LogConfig;
}

export interface Appended {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly recordCount: number;
  readonly batchCount: number;
  readonly sizeBytes: number;
  /** Milliseconds under LogAppendTime, else -1. */
  readonly appendTimeMs: number;
  readonly duplicate: boolean;
}

/** A place in the log on a batch boundary. */
export interface Mark {
  readonly offset: number;
  readonly segment: Segment;
  readonly position: number;
  /** Bytes appended since the log was opened, up to here. */
  readonly appendedBytes: number;
}

/** What one sync covers. */
export interface Flush {
  readonly files: readonly StorageFile[];
  /** Whether the folder has to be synced after the files. */
  readonly directory: boolean;
  /** Producer snapshots among the files: written once, so closed afterwards. */
  readonly snapshots: readonly StorageFile[];
  readonly mark: Mark;
}

export interface LogState {
  readonly segments: Segment[];
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly producers: ProducerState;
  readonly epochs: LeaderEpochs;
  /** Offsets of the snapshot files there are, ascending. */
  readonly snapshots: readonly number[];
  /** As compaction-checkpoint says it; null when there is none. */
  readonly gapsBelow: number | null;
  /** Below it compaction has left one record a key; 0 when it is not known. */
  readonly cleanedTo: number;
}

const nothing = new Uint8Array(0);

export class Log {
  readonly context: LogContext;
  readonly segments: Segment[];
  readonly epochs: LeaderEpochs;
  producers: ProducerState;
  logStartOffset: number;
  logEndOffset: number;
  /** At least logStartOffset; above it while the checkpoint that records it is not durable. */
  requestedStart: number;
  rolls = 0;
  /** Below it compaction has left one record a key: where its next pass begins to look for keys. */
  cleanedTo: number;
  /** When the last tombstone may go that compaction only keeps for its time; -1 when there is none, or it is not known. Milliseconds. */
  horizonMs = -1;
  #gapsBelow: number | null;
  /** Segments that compaction has replaced, for those who read them still; their files are .deleted. */
  #retired: Segment[] = [];
  /** Everything below has been synced; what a recovery point may say. */
  syncedOffset: number;
  #high: Mark;
  #appendedBytes = 0;
  /** Files of closed segments, and snapshots, that no sync has covered yet. */
  #dirtyFiles: StorageFile[] = [];
  #rolledSegments: Segment[] = [];
  #dirtySnapshots: StorageFile[] = [];
  #snapshots: number[];
  #directoryDirty = false;
  /** The last write to the active segment failed, and may have left something behind its end. */
  #isCutShort = false;
  readonly #reader: LogReader = new LogReader(this);
  /** Over the kernel's memory, in which every prepared run lies: made once, not once an append. */
  #header: BatchHeader = new BatchHeader(new Uint8Array(0));
  /** The greatest of the run that #check saw last. Milliseconds. */
  #runMaxTimestamp = -1;

  constructor(context: LogContext, state: LogState) {
    this.context = context;
    this.segments = state.segments;
    this.logStartOffset = state.logStartOffset;
    this.logEndOffset = state.logEndOffset;
    this.requestedStart = state.logStartOffset;
    this.producers = state.producers;
    this.epochs = state.epochs;
    this.#snapshots = [...state.snapshots];
    this.#gapsBelow = state.gapsBelow;
    this.cleanedTo = Math.min(state.cleanedTo, state.logEndOffset);
    this.#high = this.#end();
    this.syncedOffset = this.logEndOffset;
  }

  get active(): Segment {
    return this.segments[this.segments.length - 1] as Segment;
  }

  /** The high watermark as a place; for LogReader. */
  get high(): Mark {
    return this.#high;
  }

  get highWatermark(): number {
    return this.#high.offset;
  }

  /** Bytes appended since opening and below the high watermark: for counting what waits for a reader. */
  get readableBytes(): number {
    return this.#high.appendedBytes;
  }

  get sizeBytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  /** Since opening. */
  get appendedBytes(): number {
    return this.#appendedBytes;
  }

  get unsyncedBytes(): number {
    return this.#appendedBytes - this.#high.appendedBytes;
  }

  #end(): Mark {
    return {
      offset: this.logEndOffset,
      segment: this.active,
      position: this.active.sizeBytes,
      appendedBytes: this.#appendedBytes,
    };
  }

  // ---- append ------------------------------------------------------------------------------

  /** Checks, stamps and writes a run of batches. Synchronous; throws MoldauError with nothing appended. */
  append(bytes: RunBytes, leaderEpoch: number, expectedEndOffset?: number): Appended {
    const { kernel, clock, config } = this.context;
    const sizeBytes = sizeOfRun(bytes);
    if (sizeBytes > maxRunBytes) {
      throw new MoldauError("MESSAGE_TOO_LARGE", `${sizeBytes} bytes in one append; the most is ${maxRunBytes}`);
    }
    if (sizeBytes > config.segmentBytes) {
      throw new MoldauError(
        "MESSAGE_TOO_LARGE",
        `${sizeBytes} bytes do not fit a segment: segment.bytes is ${config.segmentBytes}`,
      );
    }
    const now = clock.now();
    const appendTimeMs = config.timestampType === "LogAppendTime" ? now : -1;
    const prepared = kernel.prepareRun(bytes, {
      baseOffset: this.logEndOffset,
      leaderEpoch,
      maxBatchBytes: config.maxMessageBytes,
      appendTimeMs,
    });
    if (!prepared.ok) throw faultError(prepared.fault, prepared.position, config.maxMessageBytes);
    const duplicate = this.#check(prepared, now);
    // Before the condition: a retry whose first attempt succeeded finds the end moved by itself.
    if (duplicate !== null) return duplicate;
    if (isCompacted(config)) {
      demandKeys(prepared, this.#headerOver(prepared.bytes), kernel, this.context.decompressor);
    }
    if (expectedEndOffset !== undefined && expectedEndOffset !== this.logEndOffset) {
      throw new MoldauError(
        "OFFSET_MISMATCH",
        `the log ends at ${this.logEndOffset}, not at ${expectedEndOffset}: read on, decide again, and retry with the new end`,
      );
    }
    if (!Number.isSafeInteger(this.logEndOffset + prepared.recordCount)) {
      throw new MoldauError("INVALID_RECORD", "offsets would pass 2^53-1");
    }
    this.#write(prepared, now);
    const baseOffset = this.logEndOffset;
    this.logEndOffset += prepared.recordCount;
    return {
      baseOffset,
      lastOffset: this.logEndOffset - 1,
      recordCount: prepared.recordCount,
      batchCount: prepared.batchCount,
      sizeBytes,
      appendTimeMs,
      duplicate: false,
    };
  }

  /** Refuses what a client may not send; finds a retry of what is here already. */
  #check(run: PreparedRun, now: number): Appended | null {
    const { config } = this.context;
    const header = this.#headerOver(run.bytes);
    const end = run.bytes.byteOffset + run.bytes.length;
    this.#runMaxTimestamp = -1;
    for (let position = run.bytes.byteOffset; position < end; position += header.sizeBytes) {
      header.position = position;
      this.#runMaxTimestamp = Math.max(this.#runMaxTimestamp, header.maxTimestamp);
      if (header.isControl || header.isTransactional) {
        const kind = header.isControl ? "control" : "transactional";
        throw new MoldauError("INVALID_RECORD", `${kind} batches are refused: Moldau has no transactions yet`);
      }
      if (header.hasDeleteHorizon) {
        throw new MoldauError("INVALID_RECORD", "a batch with a delete horizon is refused: compaction alone sets it");
      }
      if (config.timestampType === "CreateTime") checkTimestamp(header, now, config);
      if (header.producerId < 0) continue;
      if (run.batchCount !== 1) {
        throw new MoldauError(
          "INVALID_RECORD",
          "an idempotent append is exactly one batch: send the batches one by one",
        );
      }
      const verdict = this.producers.check(header);
      if (verdict.kind === "duplicate") {
        const { baseOffset, lastOffset } = verdict;
        return {
          baseOffset,
          lastOffset,
          recordCount: 0,
          batchCount: 0,
          sizeBytes: 0,
          appendTimeMs: -1,
          duplicate: true,
        };
      }
    }
    return null;
  }

  /** Its positions count from the beginning of the memory that `bytes` lie in. */
  #headerOver({ buffer }: Uint8Array): BatchHeader {
    if (this.#header.bytes.buffer !== buffer) this.#header = new BatchHeader(new Uint8Array(buffer));
    return this.#header;
  }

  #write(run: PreparedRun, now: number): void {
    const header = this.#headerOver(run.bytes);
    if (this.#mustRoll(run, now)) this.roll();
    const segment = this.active;
    const start = segment.sizeBytes;
    try {
      segment.log.append(run.bytes);
    } catch (error) {
      // A store takes back what a short write left, but not durably: after a loss of power a batch that
      // was written whole may be there. A single one that was written whole is no failure.
      const effect = run.batchCount > 1 ? "unknown" : "none";
      this.#isCutShort = true;
      throw storageError(error, `cannot write ${segment.log.path}`, effect);
    }
    this.#isCutShort = false;
    const { byteOffset } = run.bytes;
    for (let position = 0; position < run.bytes.length; position += header.sizeBytes) {
      header.position = byteOffset + position;
      segment.noteBatch(header, start + position);
      if (header.producerId >= 0) noteProducer(this.producers, header, now);
    }
    this.#appendedBytes += run.bytes.length;
    this.context.tail.append(this.logEndOffset, this.logEndOffset + run.recordCount, run.bytes);
  }

  #mustRoll(run: PreparedRun, now: number): boolean {
    const { config } = this.context;
    const segment = this.active;
    if (segment.sizeBytes === 0) return false;
    if (segment.sizeBytes + run.bytes.length > config.segmentBytes) return true;
    if (segment.indexSizeBytes + 12 > config.segmentIndexBytes) return true;
    if (this.logEndOffset + run.recordCount - segment.baseOffset > 0x7fffffff) return true;
    // As Kafka: by the records' time where they have one, else by the clock since creation.
    const age = segment.firstTimestamp >= 0 ? this.#runMaxTimestamp - segment.firstTimestamp : now - segment.createdMs;
    return age > config.segmentMs;
  }

  /**
   * Begins a new segment: the producers' snapshot, then the next .log. Neither is durable until
   * the next flush, and the high watermark waits for it.
   */
  roll(): void {
    const { storage, folder, clock, logger } = this.context;
    const old = this.active;
    if (old.sizeBytes === 0) return;
    this.demandWhole();
    if (!this.#writeSnapshot()) {
      logger.log("warn", "producer snapshot not written; recovery will read more", { folder });
    }
    let file: StorageFile;
    try {
      file = storage.create(`${folder}/${segmentFileName(this.logEndOffset, "log")}`);
    } catch (error) {
      throw storageError(error, `cannot begin a segment in ${folder}`);
    }
    this.#dirtyFiles.push(old.log);
    this.#rolledSegments.push(old);
    this.#directoryDirty = true;
    old.deactivate();
    const segment = new Segment(this.context.segmentContext, this.logEndOffset, file, clock.now());
    segment.resetIndexes();
    this.segments.push(segment);
    this.rolls += 1;
  }

  /**
   * Throws when a write to the active segment was cut short and the store could not take back what it left: nothing
   * may be put behind that, and no recovery may be told that it need not look there.
   */
  demandWhole(): void {
    if (!this.#isCutShort) return;
    const { log } = this.active;
    try {
      // A file that could not be restored takes no append.
      log.append(nothing);
    } catch (error) {
      throw storageError(error, `cannot go on behind ${log.path}`);
    }
    this.#isCutShort = false;
  }

  /** A snapshot is an optimisation of recovery: failing to write one is said, not thrown. */
  #writeSnapshot(): boolean {
    const { storage, folder, kernel } = this.context;
    // A roll that found no room for its segment has written it already.
    if (this.#snapshots.at(-1) === this.logEndOffset) return true;
    try {
      const file = storage.create(`${folder}/${segmentFileName(this.logEndOffset, "snapshot")}`);
      this.#dirtySnapshots.push(file);
      file.append(this.producers.serialize((bytes) => kernel.crc32c(bytes)));
      this.#snapshots.push(this.logEndOffset);
      return true;
    } catch (error) {
      if (error instanceof StorageError) return false;
      throw error;
    }
  }

  // ---- durability --------------------------------------------------------------------------

  /** What a sync begun now has to cover; null when everything is synced. */
  async beginFlush(): Promise<Flush | null> {
    // Others may roll meanwhile, and the mark lies behind them too.
    const next = (): Segment | undefined => this.#rolledSegments.shift();
    for (let segment = next(); segment !== undefined; segment = next()) {
      this.#dirtyFiles.push(...(await this.#writeIndexes(segment)));
      this.#directoryDirty = true;
    }
    const mark = this.#end();
    if (mark.offset === this.syncedOffset && this.#dirtyFiles.length === 0 && !this.#directoryDirty) return null;
    const snapshots = this.#dirtySnapshots;
    const files = [...this.#dirtyFiles, ...snapshots, mark.segment.log];
    const directory = this.#directoryDirty;
    this.#dirtyFiles = [];
    this.#dirtySnapshots = [];
    this.#directoryDirty = false;
    return { files, directory, snapshots, mark };
  }

  /**
   * An index can be made again from the log: whatever becomes of its file, it stops neither the records' own sync nor
   * the roll. What was written of the two is taken away, so that the next start makes them anew.
   */
  async #writeIndexes(segment: Segment): Promise<StorageFile[]> {
    try {
      return await segment.writeIndexes(true);
    } catch (error) {
      this.context.logger.log("warn", await segment.abandonIndexFiles(error));
      return [];
    }
  }

  /** The sync of a flush has returned. True when the high watermark moved. */
  async completeFlush(flush: Flush): Promise<boolean> {
    this.syncedOffset = Math.max(this.syncedOffset, flush.mark.offset);
    const moved = this.#raise(flush.mark);
    for (const snapshot of flush.snapshots) await snapshot.close();
    return moved;
  }

  /**
   * Removes the snapshots that recovery can no longer want: it begins at the newest at or below
   * the recorded recovery point.
   */
  async pruneSnapshots(recordedRecoveryPoint: number): Promise<void> {
    const { storage, folder } = this.context;
    const wanted = this.#snapshots.findLast((offset) => offset <= recordedRecoveryPoint) ?? 0;
    const unwanted = this.#snapshots.filter((offset) => offset < wanted);
    this.#snapshots = this.#snapshots.filter((offset) => offset >= wanted);
    for (const offset of unwanted) await removeIfThere(storage, `${folder}/${segmentFileName(offset, "snapshot")}`);
  }

  /**
   * After a failed sync: takes what lies above the high watermark out of the files, without a sync.
   * The cache may hold it for written, and a restart of the process alone would believe it.
   */
  async discardUnsynced(): Promise<void> {
    const { segment, position } = this.#high;
    while (this.active !== segment) await (this.segments.pop() as Segment).remove();
    await segment.log.truncate(position);
    this.context.tail.clear();
  }

  /** For `durability: "os"`: what is written is readable. */
  exposeAll(): boolean {
    return this.#raise(this.#end());
  }

  #raise(mark: Mark): boolean {
    if (mark.offset <= this.#high.offset) return false;
    this.#high = mark;
    return true;
  }

  /** Writes what recovery would otherwise rebuild; for a clean stop, after the last flush. */
  async writeCleanState(): Promise<void> {
    const { storage, folder } = this.context;
    this.demandWhole();
    const files = await this.active.writeIndexes(true);
    if (this.logEndOffset > 0) this.#writeSnapshot();
    const snapshots = this.#dirtySnapshots;
    this.#dirtySnapshots = [];
    if (files.length === 0 && snapshots.length === 0) return;
    await storage.sync([...files, ...snapshots]);
    for (const snapshot of snapshots) await snapshot.close();
    await storage.syncDirectory(folder);
  }

  // ---- read (log-reader.ts) ----------------------------------------------------------------

  checkOffset(offset: number): void {
    this.#reader.checkOffset(offset);
  }

  read(offset: number, maxBytes: number, atLeastOne: boolean, lender: Lender = ownMemory): Promise<ReadBatches> {
    return this.#reader.read(offset, maxBytes, atLeastOne, lender);
  }

  batchAtOrAfter(timestamp: number, fromOffset: number): Promise<Uint8Array | null> {
    return this.#reader.batchAtOrAfter(timestamp, fromOffset);
  }

  maxTimestamp(): Promise<number> {
    return this.#reader.maxTimestamp();
  }

  // ---- producers' snapshots ----------------------------------------------------------------

  /**
   * Whether recovery could know the producers without the segments below `start`: there is a
   * snapshot, of a synced part of the log, at or above the first segment that would be kept.
   */
  hasSnapshotAbove(start: number): boolean {
    const kept = this.segments.findLast((segment) => segment.baseOffset <= start) ?? this.segments[0];
    if (kept === this.segments[0]) return true;
    return this.#snapshots.some((offset) => offset >= (kept as Segment).baseOffset && offset <= this.syncedOffset);
  }

  /** Makes a durable snapshot of the producers as of the log's end. */
  async saveSnapshot(): Promise<void> {
    const offset = this.logEndOffset;
    await saveSnapshot(this.context, offset, this.producers);
    this.#snapshots = [...this.#snapshots.filter((other) => other !== offset), offset].sort((a, b) => a - b);
  }

  // ---- the start ---------------------------------------------------------------------------

  /** Asks for a higher log start offset: what the checkpoint is to say. True when it would rise. */
  requestStart(offset: number): boolean {
    if (offset <= this.logStartOffset) return false;
    this.requestedStart = Math.max(this.requestedStart, offset);
    return true;
  }

  /** The checkpoint says so durably: only now readers see it, so that it never goes back. */
  exposeStart(recorded: number): void {
    if (recorded <= this.logStartOffset) return;
    this.logStartOffset = recorded;
    // In the file with its next change; recovery cuts it alike.
    this.epochs.truncateFromStart(recorded);
  }

  /** Unlinks segments wholly below the log start offset, oldest first; the active one stays. Resolves to how many. */
  async removeBefore(): Promise<number> {
    const { storage, folder } = this.context;
    let removed = 0;
    while (this.segments.length > 1 && (this.segments[1] as Segment).baseOffset <= this.logStartOffset) {
      const [segment] = this.segments.splice(0, 1) as [Segment];
      this.#dirtyFiles = this.#dirtyFiles.filter((file) => file !== segment.log);
      this.#rolledSegments = this.#rolledSegments.filter((rolled) => rolled !== segment);
      try {
        await segment.remove();
      } catch (error) {
        // The next retention pass tries again.
        this.segments.unshift(segment);
        throw error;
      }
      removed += 1;
      // What was readable ended where the segment that stays begins.
      if (this.#high.segment === segment)
        this.#high = { ...this.#high, segment: this.segments[0] as Segment, position: 0 };
    }
    if (removed > 0) await storage.syncDirectory(folder);
    return removed;
  }

  // ---- compaction --------------------------------------------------------------------------

  /** Offsets below it may be missing, because compaction has been there; above it one that is missing was lost. */
  get gapsBelow(): number {
    // Without the file it is not known whether compaction has been there, if it may have been.
    return this.#gapsBelow ?? (isCompacted(this.context.config) ? Number.MAX_SAFE_INTEGER : 0);
  }

  /** Durably, before the first of them is missing. */
  async allowGapsBelow(offset: number): Promise<void> {
    if (this.#gapsBelow !== null && offset <= this.#gapsBelow) return;
    const { storage, folder } = this.context;
    await replaceFile(storage, `${folder}/${compactionCheckpointName}`, formatOffset(offset));
    this.#gapsBelow = offset;
  }

  /** Whether recovery, which goes by a snapshot that is synced, would know all producers without what lies below `offset`. */
  hasSnapshotFrom(offset: number, recoveryPoint: number): boolean {
    return this.#snapshots.some((snapshot) => snapshot >= offset && snapshot <= recoveryPoint);
  }

  /** Whether these follow each other in the log, and another follows them. */
  holds(run: readonly Segment[]): boolean {
    const at = this.segments.indexOf(run[0] as Segment);
    return (
      at >= 0 && at + run.length < this.segments.length && run.every((one, index) => this.segments[at + index] === one)
    );
  }

  /**
   * Puts `fresh` in the place of `run`, which the log holds and a sync has covered, in one
   * synchronous step. Their indexes' names are free for others when it resolves.
   */
  async replace(run: readonly Segment[], fresh: readonly Segment[]): Promise<void> {
    const at = this.segments.indexOf(run[0] as Segment);
    const next = this.segments[at + run.length] as Segment;
    // What was readable ended where the next segment begins.
    if (run.includes(this.#high.segment)) this.#high = { ...this.#high, segment: next, position: 0 };
    this.#dirtyFiles = this.#dirtyFiles.filter((file) => !run.some(({ log }) => log === file));
    this.#rolledSegments = this.#rolledSegments.filter((rolled) => !run.includes(rolled));
    this.segments.splice(at, run.length, ...fresh);
    this.context.segmentContext.indexes.changes += 1;
    this.#retired.push(...run);
    // What was appended lately may lie there, and in memory it is as it was.
    const { tail } = this.context;
    if (!tail.from(next.baseOffset - 1, next.baseOffset).next().done) tail.clear();
    for (const segment of run) await segment.retire();
  }

  get hasRetired(): boolean {
    return this.#retired.length > 0;
  }

  /** Removes what compaction has replaced, or those of these base offsets: whoever reads it still looks again. */
  async removeRetired(only: (baseOffset: number) => boolean = () => true): Promise<void> {
    const { storage, folder } = this.context;
    const retired = this.#retired.filter(({ baseOffset }) => only(baseOffset));
    this.#retired = this.#retired.filter(({ baseOffset }) => !only(baseOffset));
    for (const { baseOffset, log } of retired) {
      await log.close();
      for (const kind of ["log", "index", "timeindex"] as const) {
        await removeIfThere(storage, stagedPath(folder, baseOffset, kind, "deleted"));
      }
    }
  }

  async close(): Promise<void> {
    this.context.tail.clear();
    for (const segment of this.segments) await segment.close();
    for (const { log } of this.#retired) await log.close();
  }
}

/** Replaces the snapshot of this offset, durably. */
export async function saveSnapshot(context: LogContext, offset: number, producers: ProducerState): Promise<void> {
  const { storage, folder, kernel } = context;
  const bytes = producers.serialize((covered) => kernel.crc32c(covered));
  await replaceFile(storage, `${folder}/${segmentFileName(offset, "snapshot")}`, bytes);
}

export function noteProducer(producers: ProducerState, header: BatchHeader, timestamp: number): void {
  producers.update({
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    recordCount: header.recordCount,
    baseOffset: header.baseOffset,
    lastOffset: header.lastOffset,
    timestamp,
  });
}
