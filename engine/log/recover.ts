// Opens a partition's folder: finds out what of it may be believed, and says so.
//
// Owns: the judgement. Below the recovery point every byte was synced, so damage there is
//   corruption: reported, never repaired by truncation. Above it a crash may have left an
//   arbitrary subset of what was written, so the log ends before the first batch that is torn,
//   damaged or out of place, and what is cut is said with its bytes.
// Never: writes to a log that it calls corrupt; exposes a byte that it has not synced. Where the last run did not stop
//   in order, that takes more than a sync: one that failed, in a process that was killed before it could say so, has left
//   bytes that are read and that no sync writes, and that the next read may not find any more. So of what no recovery
//   point covers, the very bytes that were checked are handed over again, in their places, and nothing is read twice.
//
// A crash during recovery is safe: every step only reads, cuts what the next recovery would cut again, or writes bytes
// over themselves: torn, that leaves in every sector these or what the disk had, as the crash before it may have done.

import { MoldauError } from "../errors.ts";
import { scratchBytes } from "../limits.ts";
import type { StorageFile } from "../port/storage.ts";
import { readFile } from "../storage/read-file.ts";
import { replaceFile } from "../storage/replace-file.ts";
import { formatEpochCheckpoint, parseEpochCheckpoint, parseOffset } from "./checkpoint-file.ts";
import { isCompacted } from "./cleanup-policy.ts";
import { type EpochEntry, LeaderEpochs } from "./leader-epochs.ts";
import { Log, type LogContext, noteProducer, saveSnapshot } from "./log.ts";
import { ProducerState, parseProducerSnapshot } from "./producer-state.ts";
import { BatchHeader } from "./record-batch.ts";
import { removeIfThere, Segment, type SegmentEnd } from "./segment.ts";
import {
  compactionCheckpointName,
  epochCheckpointName,
  fenceName,
  isPartitionFile,
  parseSegmentFileName,
  parseStagedFileName,
  segmentFileName,
} from "./segment-names.ts";
import { BrokenSwapError, recoverSwap } from "./segment-swap.ts";
import { walkHeaders } from "./walk.ts";

export interface RecoverOptions {
  /** Recorded by the last run; everything below was synced. */
  readonly recoveryPoint: number;
  readonly logStartOffset: number;
  /** The last run stopped in order: nothing was written after its last sync. */
  readonly clean: boolean;
  /** Below it compaction has left one record a key; 0 when nobody knows. */
  readonly cleanedTo: number;
}

export interface Recovered {
  readonly log: Log;
  readonly truncatedBytes: number;
  /** For people, one a line. */
  readonly notes: readonly string[];
}

/** The log is damaged where it was synced: the partition goes offline with this as its reason. */
export class CorruptLogError extends Error {}

const scanBytes = 4 * 1024 * 1024;
const maxEpochFileBytes = 16 * 1024 * 1024;
/** More than an offset takes: what is longer than that is damaged, what is longer than this is not even read. */
const maxGapsFileBytes = 4096;

export async function recoverLog(context: LogContext, given: RecoverOptions): Promise<Recovered> {
  const notes: string[] = [];
  const found = await listFolder(context, notes);
  const gapsBelow = found.hasGaps ? await readGaps(context, notes) : null;
  const fence = await readFence(context);
  const options = { ...given, clean: given.clean && fence === null };
  const deleted = found.bases.filter(
    (_, at) => (found.bases[at + 1] ?? Number.POSITIVE_INFINITY) <= options.logStartOffset,
  );
  const segments = await openSegments(context, found.bases.slice(deleted.length));
  await settleStart(context, segments, options, notes);
  const before = await readFile(context.storage, `${context.folder}/${epochCheckpointName}`, maxEpochFileBytes);
  const entries: EpochEntry[] | null = before === null ? null : parseEpochCheckpoint(before);
  const replayFrom = options.clean ? Number.MAX_SAFE_INTEGER : options.recoveryPoint;
  const snapshot = await readSnapshot(context, found.snapshots, replayFrom, notes);
  const { producers, snapshotOffset, snapshots } = snapshot;
  await replayProducers(context, deleted, snapshotOffset, producers);
  const epochs = new LeaderEpochs(entries ?? []);
  const marks = { fence, gapsBelow: gapsBelow ?? (isCompacted(context.config) ? Number.MAX_SAFE_INTEGER : 0) };
  const scan = new Scan(context, options, marks, epochs, entries === null, producers, snapshotOffset);
  let logEndOffset = await scan.run(segments);
  const { logStartOffset } = options;
  if (logEndOffset < logStartOffset) {
    if (options.clean) {
      throw new CorruptLogError(`the log ends at ${logEndOffset}, below its start offset ${logStartOffset}`);
    }
    // What a crash took had been deleted on purpose, and so had what is left.
    await scan.dropAll(segments, `the log starts at ${logStartOffset}`);
    segments.push(createSegment(context, logStartOffset));
    logEndOffset = logStartOffset;
  }
  epochs.truncateFromStart(logStartOffset);
  epochs.truncateFromEnd(logEndOffset);
  notes.push(...scan.notes);
  // A crash that interrupts a removal may leave them. Not before now: of a log that is corrupt all is kept.
  for (const path of found.orphans) {
    await removeIfThere(context.storage, path);
    notes.push(`${path}: removed, the .log that it is the index of is not there`);
  }
  // What is kept is synced before it is exposed.
  if (!options.clean) {
    const file = snapshot.doubtful === null ? null : await rewriteSnapshot(context, snapshotOffset, snapshot.doubtful);
    if (file !== null) scan.changed.push(file);
    try {
      await context.storage.sync(scan.changed);
    } finally {
      await file?.close();
    }
    await context.storage.syncDirectory(context.folder);
  }
  await writeEpochs(context, epochs, before);
  if (fence !== null) {
    await context.storage.remove(`${context.folder}/${fenceName}`);
    await context.storage.syncDirectory(context.folder);
  }
  // Those above were not needed, so nobody has looked whether a crash tore them.
  for (const offset of snapshots) if (offset > snapshotOffset) await removeSnapshot(context, offset);
  const kept = snapshots.filter((offset) => offset <= snapshotOffset);
  if (logEndOffset > 0 && logEndOffset !== snapshotOffset) {
    // The segments that the state was made from may be deleted before the next roll makes a snapshot.
    await saveSnapshot(context, logEndOffset, producers);
    kept.push(logEndOffset);
  }
  // A deletion that a crash interrupted: its log start offset is already recorded, and the producers' state by now.
  for (const base of deleted) {
    await removeSegmentFiles(context, base);
    const path = `${context.folder}/${segmentFileName(base, "log")}`;
    notes.push(`${path}: deleted, it lies below the log start offset ${logStartOffset}`);
  }
  const log = new Log(context, {
    segments,
    logStartOffset,
    logEndOffset,
    producers,
    epochs,
    snapshots: kept,
    gapsBelow,
    cleanedTo: options.cleanedTo,
  });
  return { log, truncatedBytes: scan.truncatedBytes, notes };
}

async function finishSwap({ storage, folder }: LogContext): Promise<string[]> {
  try {
    return await recoverSwap(storage, folder);
  } catch (error) {
    if (error instanceof BrokenSwapError) throw new CorruptLogError(error.message);
    throw error;
  }
}

/** What compaction-checkpoint says; null when there is none. */
async function readGaps({ storage, folder }: LogContext, notes: string[]): Promise<number | null> {
  const bytes = await readFile(storage, `${folder}/${compactionCheckpointName}`, maxGapsFileBytes);
  if (bytes === null) return null;
  const offset = parseOffset(bytes);
  if (offset !== null) return offset;
  notes.push(`${folder}/${compactionCheckpointName}: damaged; offsets may be missing anywhere in the log`);
  return Number.MAX_SAFE_INTEGER;
}

/** Sees to it that there is a segment that holds the log start offset. */
async function settleStart(
  context: LogContext,
  segments: Segment[],
  options: RecoverOptions,
  notes: string[],
): Promise<void> {
  const { logStartOffset, recoveryPoint } = options;
  const first = segments[0]?.baseOffset;
  if (first !== undefined && first <= logStartOffset) return;
  if (recoveryPoint > logStartOffset) {
    throw new CorruptLogError(
      `no segment holds the log start offset ${logStartOffset}, though everything below ${recoveryPoint} was synced`,
    );
  }
  for (const segment of segments.splice(0).reverse()) {
    notes.push(`${segment.log.path}: dropped ${segment.sizeBytes} bytes, what comes before it is missing`);
    await segment.remove();
  }
  segments.push(createSegment(context, logStartOffset));
}

interface Found {
  readonly bases: number[];
  readonly snapshots: number[];
  /** Paths of indexes without a log. */
  readonly orphans: string[];
  /** Whether there is a compaction-checkpoint. */
  readonly hasGaps: boolean;
}

async function listFolder(context: LogContext, notes: string[]): Promise<Found> {
  const bases: number[] = [];
  const snapshots: number[] = [];
  const indexes: { readonly path: string; readonly base: number }[] = [];
  let entries = await context.storage.list(context.folder);
  if (entries.some(({ name }) => parseStagedFileName(name) !== null)) {
    notes.push(...(await finishSwap(context)));
    entries = await context.storage.list(context.folder);
  }
  for (const entry of entries) {
    const parsed = parseSegmentFileName(entry.name);
    if (parsed?.kind === "log") bases.push(parsed.offset);
    else if (parsed?.kind === "snapshot") snapshots.push(parsed.offset);
    else if (parsed !== null) {
      if (entry.kind === "file") indexes.push({ path: `${context.folder}/${entry.name}`, base: parsed.offset });
    } else if (entry.name.endsWith(".tmp")) await context.storage.remove(`${context.folder}/${entry.name}`);
    else if (!isPartitionFile(entry.name)) {
      throw new MoldauError(
        "DATA_FOLDER_UNUSABLE",
        `${context.folder}/${entry.name} is not a file that Moldau writes: move it out of the data folder`,
      );
    }
  }
  const ascending = (a: number, b: number): number => a - b;
  const hasGaps = entries.some(({ name }) => name === compactionCheckpointName);
  const logs = new Set(bases);
  const orphans = indexes.flatMap(({ path, base }) => (logs.has(base) ? [] : [path]));
  return { bases: bases.sort(ascending), snapshots: snapshots.sort(ascending), orphans, hasGaps };
}

/** The high watermark when a sync failed: nothing above it may be believed, whatever reads say. */
async function readFence(context: LogContext): Promise<number | null> {
  const bytes = await readFile(context.storage, `${context.folder}/${fenceName}`, 64);
  return bytes === null ? null : parseOffset(bytes);
}

async function openSegments(context: LogContext, bases: readonly number[]): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const base of bases) {
    const file = await context.storage.open(`${context.folder}/${segmentFileName(base, "log")}`);
    segments.push(new Segment(context.segmentContext, base, file, context.clock.now()));
  }
  return segments;
}

async function removeSegmentFiles({ storage, folder }: LogContext, base: number): Promise<void> {
  for (const kind of ["log", "index", "timeindex"] as const) {
    await removeIfThere(storage, `${folder}/${segmentFileName(base, kind)}`);
  }
}

/**
 * What a deletion left of segments below the log start is no log any more, but where the snapshot behind it was torn
 * it is the last that knows how far its producers had come.
 */
async function replayProducers(
  context: LogContext,
  bases: readonly number[],
  snapshotOffset: number,
  producers: ProducerState,
): Promise<void> {
  const now = context.clock.now();
  for (const base of bases) {
    const file = await context.storage.open(`${context.folder}/${segmentFileName(base, "log")}`);
    await walkHeaders(file, 0, file.sizeBytes, (header) => {
      if (header.producerId >= 0 && header.baseOffset >= snapshotOffset) noteProducer(producers, header, now);
      return true;
    });
    await file.close();
  }
}

function createSegment(context: LogContext, baseOffset: number): Segment {
  const file = context.storage.create(`${context.folder}/${segmentFileName(baseOffset, "log")}`);
  const segment = new Segment(context.segmentContext, baseOffset, file, context.clock.now());
  segment.resetIndexes();
  return segment;
}

interface SnapshotFound {
  readonly producers: ProducerState;
  /** The state is that of the log up to here. */
  readonly snapshotOffset: number;
  /** What it was parsed from, where the sync of it may have failed. */
  readonly doubtful: Uint8Array | null;
  readonly snapshots: number[];
}

async function readSnapshot(
  context: LogContext,
  offsets: readonly number[],
  atMost: number,
  notes: string[],
): Promise<SnapshotFound> {
  const crc = (bytes: Uint8Array): number => context.kernel.crc32c(bytes);
  const snapshots = [...offsets];
  for (const offset of [...offsets].reverse()) {
    if (offset > atMost) continue;
    const path = `${context.folder}/${segmentFileName(offset, "snapshot")}`;
    const bytes = await readFile(context.storage, path, 256 * 1024 * 1024);
    const producers = bytes === null ? null : parseProducerSnapshot(bytes, crc);
    if (producers !== null) {
      // The flush that covers a snapshot ends above it: at the recovery point itself none may have.
      return { producers, snapshotOffset: offset, doubtful: offset === atMost ? bytes : null, snapshots };
    }
    notes.push(`${path}: damaged producer snapshot, set aside for an older one`);
    await removeSnapshot(context, offset);
    snapshots.splice(snapshots.indexOf(offset), 1);
  }
  return { producers: new ProducerState(), snapshotOffset: 0, doubtful: null, snapshots };
}

/** Hands over again what was believed of it; the file, for a sync. */
async function rewriteSnapshot(context: LogContext, offset: number, bytes: Uint8Array): Promise<StorageFile> {
  const file = await context.storage.open(`${context.folder}/${segmentFileName(offset, "snapshot")}`);
  try {
    await file.rewrite(bytes, 0);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function removeSnapshot(context: LogContext, offset: number): Promise<void> {
  await removeIfThere(context.storage, `${context.folder}/${segmentFileName(offset, "snapshot")}`);
}

/** One pass over the segments, oldest first. */
class Scan {
  readonly notes: string[] = [];
  truncatedBytes = 0;
  readonly epochs: LeaderEpochs;
  readonly producers: ProducerState;
  /** Files that were cut or are to be synced before anything of them is exposed. */
  readonly changed: StorageFile[] = [];
  readonly #context: LogContext;
  readonly #options: RecoverOptions;
  readonly #fence: number | null;
  readonly #gapsBelow: number;
  readonly #rebuildEpochs: boolean;
  readonly #snapshotOffset: number;
  readonly #now: number;
  /** Whose indexes were made anew and are not yet in their files. */
  readonly #indexed: Set<Segment> = new Set();
  #buffer: Uint8Array = new Uint8Array(0);
  /** Where what the recovery point covers ends in the segment that is examined. */
  #coveredTo = 0;

  constructor(
    context: LogContext,
    options: RecoverOptions,
    { fence, gapsBelow }: { readonly fence: number | null; readonly gapsBelow: number },
    epochs: LeaderEpochs,
    rebuildEpochs: boolean,
    producers: ProducerState,
    snapshotOffset: number,
  ) {
    this.#context = context;
    this.#options = options;
    this.#fence = fence;
    this.#gapsBelow = gapsBelow;
    this.epochs = epochs;
    this.#rebuildEpochs = rebuildEpochs;
    this.producers = producers;
    this.#snapshotOffset = snapshotOffset;
    this.#now = context.clock.now();
  }

  /** Resolves to the log end offset; segments past a cut are removed from the list and the folder. */
  async run(segments: Segment[]): Promise<number> {
    let nextOffset = (segments[0] as Segment).baseOffset;
    for (let at = 0; at < segments.length; at += 1) {
      const segment = segments[at] as Segment;
      const following = segments[at + 1]?.baseOffset;
      const trusted = this.#options.clean || (following !== undefined && following <= this.#options.recoveryPoint);
      if (segment.baseOffset !== nextOffset) {
        const { clean, recoveryPoint } = this.#options;
        if (clean || (segment.baseOffset <= recoveryPoint && nextOffset < recoveryPoint)) {
          const where = clean ? "though the last stop was clean" : `below the recovery point ${recoveryPoint}`;
          throw new CorruptLogError(`offsets ${nextOffset} to ${segment.baseOffset} are missing, ${where}`);
        }
        await this.#dropFrom(segments, at, `a gap: the log before it ends at ${nextOffset}`);
        break;
      }
      // It has a successor for sure: its indexes need not stay in memory.
      if (at > 0) await this.#finish(segments[at - 1] as Segment, false);
      const end = trusted ? await this.#trust(segment, following) : await this.#examine(segment);
      nextOffset = end.nextOffset;
      if (end.cut || this.#isFenced(nextOffset)) {
        if (at + 1 < segments.length) await this.#dropFrom(segments, at + 1, `the log was cut at ${nextOffset}`);
        break;
      }
    }
    if (nextOffset < this.#options.recoveryPoint) {
      throw new CorruptLogError(
        `the log ends at ${nextOffset}, below the recovery point ${this.#options.recoveryPoint}: synced data is missing`,
      );
    }
    await this.#finish(segments[segments.length - 1] as Segment, true);
    return nextOffset;
  }

  async #finish(segment: Segment, last: boolean): Promise<void> {
    if (last) await segment.activate();
    else segment.deactivate();
    if (!this.#indexed.delete(segment)) return;
    try {
      if (segment.sizeBytes === 0) return await segment.removeIndexFiles();
      await segment.clearIndexFiles();
      this.changed.push(...(await segment.writeIndexes(!last)));
    } catch (error) {
      // As in a life: whatever becomes of an index's file, it takes no log offline.
      this.notes.push(await segment.abandonIndexFiles(error));
    }
  }

  #isFenced(nextOffset: number): boolean {
    return this.#fence !== null && nextOffset >= this.#fence;
  }

  /** A segment that was synced whole: its index is believed as far as it leads to batches, when it was synced too. */
  async #trust(segment: Segment, following: number | undefined): Promise<{ nextOffset: number; cut: boolean }> {
    // The sync that covers a segment's indexes comes after the next one has begun. A recovery point right there may be
    // older, and a crash have left one index written and the other not: half of a time index looks like all of it.
    const { clean, recoveryPoint } = this.#options;
    const isIndexed = clean || (following as number) < recoveryPoint;
    const end = isIndexed ? await segment.load(following === undefined) : await this.#index(segment);
    if (end.position !== segment.sizeBytes || (following !== undefined && end.nextOffset > following)) {
      throw new CorruptLogError(
        `${segment.log.path}: no whole batch at byte ${end.position} of ${segment.sizeBytes}, below the recovery point`,
      );
    }
    const { firstOffset, baseOffset } = segment;
    const isBehindGap = firstOffset > baseOffset && firstOffset <= this.#gapsBelow;
    if (firstOffset >= 0 && firstOffset !== baseOffset && !isBehindGap) {
      throw new CorruptLogError(
        `${segment.log.path}: its first batch has offset ${firstOffset}, not ${baseOffset}, below the recovery point`,
      );
    }
    if (this.#rebuildEpochs || end.nextOffset > this.#snapshotOffset) {
      await walkHeaders(segment.log, 0, segment.sizeBytes, (header) => {
        this.#note(header);
        return true;
      });
    }
    return { nextOffset: end.nextOffset, cut: false };
  }

  /** Makes the indexes anew from the headers. */
  async #index(segment: Segment): Promise<SegmentEnd> {
    segment.resetIndexes();
    this.#indexed.add(segment);
    let nextOffset = segment.baseOffset;
    const position = await walkHeaders(segment.log, 0, segment.sizeBytes, (header, at) => {
      segment.noteBatch(header, at);
      nextOffset = header.lastOffset + 1;
      return true;
    });
    return { nextOffset, position };
  }

  #note(header: BatchHeader): void {
    const latest = this.epochs.latest;
    if (header.leaderEpoch >= 0 && (latest === null || header.leaderEpoch > latest.epoch)) {
      this.epochs.assign(header.leaderEpoch, header.baseOffset);
    }
    if (header.producerId >= 0 && header.baseOffset >= this.#snapshotOffset) {
      noteProducer(this.producers, header, this.#now);
    }
  }

  /**
   * A segment that a crash may have left in pieces: every batch is checked, its indexes made anew, and what lies above
   * the recovery point is written over itself. Who has come so far calls the log corrupt no more.
   */
  async #examine(segment: Segment): Promise<{ nextOffset: number; cut: boolean }> {
    const { kernel } = this.#context;
    segment.resetIndexes();
    this.#indexed.add(segment);
    this.#coveredTo = 0;
    let position = 0;
    let nextOffset = segment.baseOffset;
    let reason = "";
    let wanted = scanBytes;
    while (position < segment.sizeBytes && reason === "") {
      const length = Math.min(wanted, segment.sizeBytes - position);
      if (this.#buffer.length < length) this.#buffer = new Uint8Array(length);
      const bytes = this.#buffer.subarray(0, await segment.log.read(this.#buffer.subarray(0, length), position));
      const prefix = kernel.validPrefix(bytes, nextOffset);
      const walked = this.#noteBatches(segment, bytes.subarray(0, prefix.sizeBytes), position, nextOffset);
      const doubtful = bytes.subarray(Math.max(0, this.#coveredTo - position), walked.sizeBytes);
      if (doubtful.length > 0) await segment.log.rewrite(doubtful, position + walked.sizeBytes - doubtful.length);
      position += walked.sizeBytes;
      nextOffset = walked.nextOffset;
      wanted = scanBytes;
      if (walked.reason !== "") reason = walked.reason;
      else if (prefix.stop === "partial") {
        const atEnd = position - walked.sizeBytes + bytes.length >= segment.sizeBytes;
        if (walked.sizeBytes > 0) continue;
        if (atEnd || wanted >= scratchBytes) reason = "a torn batch";
        else wanted = Math.min(scratchBytes, wanted * 4);
      } else if (prefix.stop === "checksum") reason = "a batch that does not match its checksum";
      else if (prefix.stop !== "end")
        reason = prefix.stop === "order" ? "a batch out of order" : "bytes that are no batch";
      else if (bytes.length === 0) reason = "a file shorter than its size";
    }
    const end = reason === "" ? { nextOffset, cut: false } : await this.#cut(segment, position, nextOffset, reason);
    this.changed.push(segment.log);
    return end;
  }

  #noteBatches(
    segment: Segment,
    bytes: Uint8Array,
    filePosition: number,
    expected: number,
  ): { sizeBytes: number; nextOffset: number; reason: string } {
    const header = new BatchHeader(bytes);
    let sizeBytes = 0;
    let nextOffset = expected;
    while (header.at(sizeBytes)) {
      if (this.#fence !== null && header.lastOffset >= this.#fence)
        return { sizeBytes, nextOffset, reason: "a failed sync" };
      // Nothing above the recovery point has been compacted, so a gap is what a crash left; unless the point was lost.
      const isGap = header.baseOffset !== nextOffset && header.baseOffset > this.#gapsBelow;
      if (isGap && nextOffset >= this.#options.recoveryPoint) {
        return { sizeBytes, nextOffset, reason: "a gap between batches" };
      }
      segment.noteBatch(header, filePosition + sizeBytes);
      this.#note(header);
      nextOffset = header.lastOffset + 1;
      sizeBytes += header.sizeBytes;
      if (nextOffset <= this.#options.recoveryPoint) this.#coveredTo = filePosition + sizeBytes;
    }
    return { sizeBytes, nextOffset, reason: "" };
  }

  async #cut(
    segment: Segment,
    position: number,
    nextOffset: number,
    reason: string,
  ): Promise<{ nextOffset: number; cut: boolean }> {
    if (nextOffset < this.#options.recoveryPoint) {
      throw new CorruptLogError(
        `${segment.log.path}: ${reason} at byte ${position} (offset ${nextOffset}), below the recovery point ${this.#options.recoveryPoint}`,
      );
    }
    const bytes = segment.sizeBytes - position;
    await segment.log.truncate(position);
    this.truncatedBytes += bytes;
    this.notes.push(`${segment.log.path}: cut ${bytes} bytes at offset ${nextOffset}, after ${reason}`);
    return { nextOffset, cut: true };
  }

  /** Nothing of the log is kept. */
  async dropAll(segments: Segment[], reason: string): Promise<void> {
    this.changed.length = 0;
    await this.#dropFrom(segments, 0, reason);
  }

  async #dropFrom(segments: Segment[], at: number, reason: string): Promise<void> {
    for (const segment of segments.splice(at).reverse()) {
      this.truncatedBytes += segment.sizeBytes;
      this.notes.push(`${segment.log.path}: dropped ${segment.sizeBytes} bytes, ${reason}`);
      await segment.remove();
    }
  }
}

async function writeEpochs(context: LogContext, epochs: LeaderEpochs, before: Uint8Array | null): Promise<void> {
  if (before === null && epochs.entries.length === 0) return;
  const after = formatEpochCheckpoint(epochs.entries);
  const same = before !== null && before.length === after.length && after.every((byte, at) => byte === before[at]);
  if (!same) await replaceFile(context.storage, `${context.folder}/${epochCheckpointName}`, after);
}
