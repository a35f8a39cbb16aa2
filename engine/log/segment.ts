// A segment is one contiguous run of record batches, named by its base offset.
//
// Owns: the .log file and its two indexes: where a batch begins, by offset and by time.
// Never: reads the clock, decides when to roll (log.ts) or what to delete (retain.ts).
//
// Invariants: the file ends on a batch boundary; offsets rise; an index entry that does not
//   lead to its batch is a corrupt index, which is rebuilt from the .log and said.

import type { IndexTable, Kernel } from "../kernel/kernel.ts";
import { type Storage, StorageError, type StorageFile } from "../port/storage.ts";
import { replaceFile } from "../storage/replace-file.ts";
import { attributesAt, BatchHeader, headerSizeBytes } from "./record-batch.ts";
import { type SegmentFileKind, segmentFileName } from "./segment-names.ts";
import { SparseIndex } from "./sparse-index.ts";
import { walkHeaders } from "./walk.ts";

/** Of a batch whose checksum is compared, in memory at once. */
const pieceBytes = 64 * 1024;

/** Where a segment's whole batches end. */
export interface SegmentEnd {
  readonly nextOffset: number;
  /** Less than the file's size when what follows is no batch. */
  readonly position: number;
}

/** What a segment is handed by its log. */
export interface SegmentContext {
  readonly storage: Storage;
  readonly kernel: Kernel;
  readonly folder: string;
  readonly indexes: IndexResidency;
  /** Told when an index was rebuilt. */
  readonly rebuilt: (path: string) => void;
  indexIntervalBytes(): number;
}

/** Bounds the index bytes in memory over all logs: the least recently used closed segment's go first. */
export class IndexResidency {
  readonly budgetBytes: number;
  /** How often a closed segment was opened again or indexed anew: its maximum timestamp may be another then. */
  changes = 0;
  #usedBytes = 0;
  readonly #segments: Map<Segment, number> = new Map();

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  touch(segment: Segment, sizeBytes: number): void {
    this.remove(segment);
    this.#segments.set(segment, sizeBytes);
    this.#usedBytes += sizeBytes;
    for (const [oldest] of this.#segments) {
      if (this.#usedBytes <= this.budgetBytes || oldest === segment) return;
      oldest.dropIndexes();
    }
  }

  remove(segment: Segment): void {
    this.#usedBytes -= this.#segments.get(segment) ?? 0;
    this.#segments.delete(segment);
  }
}

interface IndexFiles {
  readonly offsets: StorageFile;
  readonly times: StorageFile;
}

interface Indexes {
  readonly offsets: SparseIndex;
  readonly times: SparseIndex;
}

export class Segment {
  readonly baseOffset: number;
  readonly log: StorageFile;
  readonly createdMs: number;
  /** The highest timestamp, and the last offset of the batch that brought it; -1 when empty. */
  maxTimestamp = -1;
  offsetOfMaxTimestamp = -1;
  /** Maximum timestamp of the first batch: what segment.ms counts from. -1 when empty. */
  firstTimestamp = -1;
  /** Base offset of the first batch, as its header says it. -1 when empty. */
  firstOffset = -1;
  readonly #context: SegmentContext;
  #indexes: Indexes | null = null;
  /** The active segment's indexes stay; a closed one's may be dropped and loaded again. */
  #active = true;
  #bytesSinceEntry = 0;
  /** Made since the files were written: not to be dropped, because the files cannot replace them. */
  #unsaved = false;
  /** A write or the removal of the files has failed: they may hold anything. */
  #areFilesDoubtful = false;
  #indexFiles: Promise<IndexFiles> | null = null;
  readonly #replacedFiles: Promise<IndexFiles>[] = [];
  #loading: Promise<Indexes> | null = null;
  #rebuilding: Promise<SegmentEnd> | null = null;
  #closed = false;

  constructor(context: SegmentContext, baseOffset: number, log: StorageFile, createdMs: number) {
    this.#context = context;
    this.baseOffset = baseOffset;
    this.log = log;
    this.createdMs = createdMs;
  }

  get sizeBytes(): number {
    return this.log.sizeBytes;
  }

  get indexSizeBytes(): number {
    return this.#indexes === null ? 0 : Math.max(this.#indexes.offsets.sizeBytes, this.#indexes.times.sizeBytes);
  }

  /** Begins with empty indexes: for a new segment, and for one that recovery is about to scan. */
  resetIndexes(): void {
    this.#indexes = { offsets: new SparseIndex(8), times: new SparseIndex(12) };
    this.#unsaved = true;
    this.#bytesSinceEntry = 0;
    this.maxTimestamp = -1;
    this.offsetOfMaxTimestamp = -1;
    this.firstTimestamp = -1;
    this.firstOffset = -1;
  }

  /** Takes note of a batch that lies at `position` of the file, in order. */
  noteBatch(header: BatchHeader, position: number): void {
    const indexes = this.#indexes as Indexes;
    this.#unsaved = true;
    this.#noteTimestamp(header);
    if (this.#bytesSinceEntry > this.#context.indexIntervalBytes()) {
      indexes.offsets.append(header.lastOffset - this.baseOffset, position);
      if (this.maxTimestamp >= 0) indexes.times.append(this.maxTimestamp, this.offsetOfMaxTimestamp - this.baseOffset);
      this.#bytesSinceEntry = 0;
    }
    this.#bytesSinceEntry += header.sizeBytes;
  }

  #noteTimestamp(header: BatchHeader): void {
    const timestamp = header.maxTimestamp;
    if (this.firstTimestamp < 0) this.firstTimestamp = timestamp;
    if (this.firstOffset < 0) this.firstOffset = header.baseOffset;
    if (timestamp > this.maxTimestamp) {
      this.maxTimestamp = timestamp;
      this.offsetOfMaxTimestamp = header.lastOffset;
    }
  }

  /** No more batches come: the last maximum enters the time index. */
  deactivate(): void {
    this.#closeTimeIndex();
    this.#active = false;
    if (this.#indexes !== null) this.#context.indexes.touch(this, this.#residentBytes());
  }

  /** Batches will be appended after all: what came behind it is gone. */
  async activate(): Promise<void> {
    this.#active = true;
    this.#context.indexes.changes += 1;
    this.#context.indexes.remove(this);
    await this.#resident();
  }

  #closeTimeIndex(): void {
    if (this.#indexes !== null && this.maxTimestamp >= 0) {
      this.#indexes.times.append(this.maxTimestamp, this.offsetOfMaxTimestamp - this.baseOffset);
    }
  }

  #residentBytes(): number {
    const indexes = this.#indexes as Indexes;
    return indexes.offsets.bytes.length + indexes.times.bytes.length;
  }

  /** Both indexes as their files are to hold them, of a segment that is complete; they stay in memory until `saved`. */
  indexContents(): readonly (readonly ["index" | "timeindex", Uint8Array])[] {
    const { offsets, times } = this.#indexes as Indexes;
    return [
      ["index", offsets.bytes.subarray(0, offsets.sizeBytes)],
      ["timeindex", times.bytes.subarray(0, times.sizeBytes)],
    ];
  }

  /** Somebody else has put the index files in their places. */
  indexesSaved(): void {
    this.#unsaved = false;
  }

  /** Another one has taken its place: its .log can be read on, its index files are not its own any more. */
  async retire(): Promise<void> {
    this.#context.indexes.remove(this);
    this.#closed = true;
    await Promise.allSettled([this.#loading, this.#rebuilding]);
    this.#indexes = null;
    await this.#closeIndexFiles();
  }

  dropIndexes(): void {
    if (this.#active || this.#unsaved) return;
    this.#indexes = null;
    this.#context.indexes.remove(this);
  }

  // ---- index files -------------------------------------------------------------------------

  /**
   * Writes entries that the index files lack; the files, for a sync. `last` also enters the final maximum. The time
   * index comes first, here and wherever both are written, and goes last: what lies behind the last entry of the offset
   * index is walked at the next start, so that a time index that leads as far as the other one misses no maximum.
   */
  async writeIndexes(last: boolean): Promise<StorageFile[]> {
    const indexes = this.#indexes;
    if (indexes === null || this.sizeBytes === 0) return [];
    if (last) this.#closeTimeIndex();
    try {
      const files = await this.#openIndexFiles();
      if (this.#areFilesDoubtful) await this.clearIndexFiles();
      for (const [file, index] of [
        [files.times, indexes.times],
        [files.offsets, indexes.offsets],
      ] as const) {
        const sizeBytes = index.sizeBytes;
        if (file.sizeBytes > sizeBytes) await file.truncate(sizeBytes);
        if (file.sizeBytes < sizeBytes) file.append(index.bytes.subarray(file.sizeBytes, sizeBytes));
      }
      this.#areFilesDoubtful = false;
      return [files.offsets, files.times];
    } finally {
      this.#unsaved = false;
    }
  }

  /**
   * After a write that failed with `cause`: takes both files away, so that the next start makes them anew. Where that
   * fails too, they are not read again in this life, and what they hold is synced as far as the disk lets it, so that a
   * loss of power does not bring back an offset index that leads further than the other. Resolves to what there is to
   * say; throws `cause` where it is not the disk's.
   */
  async abandonIndexFiles(cause: unknown): Promise<string> {
    if (!(cause instanceof StorageError) || cause.kind === "closed") throw cause;
    this.#areFilesDoubtful = true;
    this.#unsaved = false;
    const said = `${this.log.path}: its index was not written and will be rebuilt: ${cause.message}`;
    try {
      await this.removeIndexFiles();
      return said;
    } catch (error) {
      if (!(error instanceof StorageError) || error.kind === "closed") throw error;
      for (const kind of ["index", "timeindex"] as const) await this.#syncAlone(this.#path(kind));
      return `${said}; what is left of it stays: ${error.message}`;
    }
  }

  async #syncAlone(path: string): Promise<void> {
    const { storage } = this.#context;
    try {
      const file = await storage.open(path);
      try {
        await storage.sync([file]);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (!(error instanceof StorageError) || error.kind === "closed") throw error;
    }
  }

  /** An empty segment needs none, and where one is missing both are made anew. */
  async removeIndexFiles(): Promise<void> {
    await this.#closeIndexFiles();
    for (const kind of ["index", "timeindex"] as const) await removeIfThere(this.#context.storage, this.#path(kind));
  }

  /** Makes the index files empty, so that what is written next is the whole index. */
  async clearIndexFiles(): Promise<void> {
    const files = await this.#openIndexFiles();
    await files.offsets.truncate(0);
    await files.times.truncate(0);
  }

  #openIndexFiles(): Promise<IndexFiles> {
    this.#indexFiles ??= this.#openPair();
    return this.#indexFiles;
  }

  async #openPair(): Promise<IndexFiles> {
    let times: StorageFile | null = null;
    try {
      times = await this.#openOrCreate(this.#path("timeindex"));
      return { offsets: await this.#openOrCreate(this.#path("index")), times };
    } catch (error) {
      this.#indexFiles = null;
      await times?.close();
      throw error;
    }
  }

  #path(kind: SegmentFileKind): string {
    return `${this.#context.folder}/${segmentFileName(this.baseOffset, kind)}`;
  }

  async #openOrCreate(path: string): Promise<StorageFile> {
    // A reader of a segment that is gone must not bring its files back, or take another topic's of that name.
    if (this.#closed) throw new StorageError("closed", `${path} is closed`);
    try {
      return await this.#context.storage.open(path);
    } catch (error) {
      if (!(error instanceof StorageError) || error.kind !== "not-found") throw error;
      return this.#context.storage.create(path);
    }
  }

  /** Opens with the indexes from their files. Rebuilds what is not sane. Inactive: no batches will be appended. */
  async load(active: boolean): Promise<SegmentEnd> {
    this.#active = active;
    const indexes = await this.#readIndexFiles();
    if (indexes === null) return this.rebuildIndexes();
    this.#indexes = indexes;
    const { offsets, times } = indexes;
    const last = offsets.count - 1;
    const from = last < 0 ? 0 : offsets.valueAt(last);
    if (times.count > 0) {
      this.maxTimestamp = times.keyAt(times.count - 1);
      this.offsetOfMaxTimestamp = times.valueAt(times.count - 1) + this.baseOffset;
    }
    let nextOffset = this.baseOffset;
    let sane = last < 0;
    // An empty time index is right where no record has a time, and else it was lost: the headers tell, all of them.
    const isTimeless = times.count === 0;
    const end = await walkHeaders(this.log, isTimeless ? 0 : from, this.log.sizeBytes, (header, position) => {
      if (isTimeless && header.maxTimestamp >= 0) return false;
      if (position === from && last >= 0) sane = header.lastOffset === this.baseOffset + offsets.keyAt(last);
      // The first batch that lies an interval behind the first byte has an entry: none at all means they were lost.
      if (last < 0 && position > this.#context.indexIntervalBytes()) sane = false;
      nextOffset = header.lastOffset + 1;
      if (header.maxTimestamp > this.maxTimestamp) this.#noteTimestamp(header);
      return sane || position < from;
    });
    // A closed segment's time index ends with its maximum: the write of this one has failed, and its removal too.
    const isShort = !active && !isTimeless && this.maxTimestamp > times.keyAt(times.count - 1);
    if (!sane || isShort || end !== this.log.sizeBytes) return this.rebuildIndexes();
    this.#bytesSinceEntry = this.log.sizeBytes - from;
    await walkHeaders(this.log, 0, this.log.sizeBytes, (header) => {
      this.firstTimestamp = header.maxTimestamp;
      this.firstOffset = header.baseOffset;
      return false;
    });
    return { nextOffset, position: end };
  }

  async #readIndexFiles(): Promise<Indexes | null> {
    if (this.log.sizeBytes === 0) return { offsets: new SparseIndex(8), times: new SparseIndex(12) };
    if (this.#areFilesDoubtful) return null;
    try {
      const files = await this.#openIndexFiles();
      // More entries than batches fit in the log: not worth the memory.
      const most = Math.floor(this.log.sizeBytes / headerSizeBytes) + 1;
      if (files.offsets.sizeBytes > most * 8 || files.times.sizeBytes > most * 12) return null;
      const offsets = new Uint8Array(files.offsets.sizeBytes);
      const times = new Uint8Array(files.times.sizeBytes);
      await files.offsets.read(offsets, 0);
      await files.times.read(times, 0);
      const read = { offsets: new SparseIndex(8, offsets), times: new SparseIndex(12, times) };
      if (!read.offsets.isSane(this.log.sizeBytes) || !read.times.isSane(2 ** 31)) return null;
      return read;
    } catch (error) {
      if (error instanceof StorageError && (error.kind === "io" || error.kind === "closed")) throw error;
      return null;
    }
  }

  /** Makes both indexes anew from the log, also while batches are appended. */
  rebuildIndexes(): Promise<SegmentEnd> {
    this.#rebuilding ??= this.#rebuild();
    return this.#rebuilding;
  }

  async #rebuild(): Promise<SegmentEnd> {
    this.#context.rebuilt(this.#path("index"));
    try {
      return await this.#replaceIndexes();
    } finally {
      this.#rebuilding = null;
    }
  }

  async #replaceIndexes(): Promise<SegmentEnd> {
    const fresh = new Segment(this.#context, this.baseOffset, this.log, this.createdMs);
    fresh.resetIndexes();
    let nextOffset = this.baseOffset;
    let position = 0;
    for (let to = -1; to !== this.log.sizeBytes; ) {
      to = this.log.sizeBytes;
      position = await walkHeaders(this.log, position, to, (header, at) => {
        fresh.noteBatch(header, at);
        nextOffset = header.lastOffset + 1;
        return true;
      });
      if (position !== to) break;
    }
    this.#indexes = fresh.#indexes;
    this.#bytesSinceEntry = fresh.#bytesSinceEntry;
    this.maxTimestamp = fresh.maxTimestamp;
    this.offsetOfMaxTimestamp = fresh.offsetOfMaxTimestamp;
    this.firstTimestamp = fresh.firstTimestamp;
    this.#context.indexes.changes += 1;
    this.firstOffset = fresh.firstOffset;
    if (!this.#active) this.#closeTimeIndex();
    try {
      await this.#saveRebuilt();
    } catch (error) {
      // What the files hold was not believed, and will not be.
      if (!(error instanceof StorageError) || error.kind === "closed") throw error;
    }
    if (!this.#active && !this.#closed) this.#context.indexes.touch(this, this.#residentBytes());
    return { nextOffset, position };
  }

  /** A closed segment's files are believed at the next start, so that they may not be half-written by a crash. */
  async #saveRebuilt(): Promise<void> {
    this.#areFilesDoubtful = true;
    if (this.#active) await this.clearIndexFiles();
    else await this.#replaceIndexFiles();
    this.#areFilesDoubtful = false;
  }

  async #replaceIndexFiles(): Promise<void> {
    this.#unsaved = false;
    const { offsets, times } = this.#indexes as Indexes;
    // A sync of the old files may be under way: they are closed with the segment.
    if (this.#indexFiles !== null) this.#replacedFiles.push(this.#indexFiles);
    this.#indexFiles = null;
    for (const [kind, index] of [
      ["timeindex", times],
      ["index", offsets],
    ] as const) {
      if (this.#closed) throw new StorageError("closed", `${this.#path(kind)} is closed`);
      await replaceFile(this.#context.storage, this.#path(kind), index.bytes.subarray(0, index.sizeBytes));
    }
  }

  async #closeIndexFiles(): Promise<void> {
    if (this.#indexFiles !== null) this.#replacedFiles.push(this.#indexFiles);
    this.#indexFiles = null;
    for (const opened of await Promise.allSettled(this.#replacedFiles.splice(0))) {
      if (opened.status === "rejected") continue;
      await opened.value.offsets.close();
      await opened.value.times.close();
    }
  }

  async #resident(): Promise<Indexes> {
    if (this.#indexes !== null) {
      if (!this.#active) this.#context.indexes.touch(this, this.#residentBytes());
      return this.#indexes;
    }
    this.#loading ??= this.#loadAgain();
    return this.#loading;
  }

  async #loadAgain(): Promise<Indexes> {
    try {
      for (;;) {
        const read = await this.#readIndexFiles();
        // As Kafka: a closed segment's time index ends with its maximum, and is empty where no record has a time.
        if (read === null || (read.times.count === 0 && this.maxTimestamp >= 0)) await this.rebuildIndexes();
        else this.#indexes = read;
        const indexes = this.#indexes;
        if (indexes === null) continue; // dropped again already
        if (!this.#closed) this.#context.indexes.touch(this, this.#residentBytes());
        return indexes;
      }
    } finally {
      this.#loading = null;
    }
  }

  // ---- look-ups ----------------------------------------------------------------------------

  /**
   * The position of the batch that holds `offset`, or of the first after it; null when there is none. Before it counts
   * as a gap, the batch in front of it must be whole: else its word for where it ends is worth nothing, and it is what
   * is found.
   */
  async positionOf(offset: number): Promise<number | null> {
    for (let attempt = 0; ; attempt += 1) {
      const { offsets } = await this.#resident();
      const entry = this.#search(offsets, offset - this.baseOffset);
      const from = entry < 0 ? 0 : offsets.valueAt(entry);
      let found: number | null = null;
      let isBehindGap = false;
      let before: number | null = null;
      let sane = true;
      await walkHeaders(this.log, from, this.log.sizeBytes, (header, position) => {
        if (entry >= 0 && position === from) sane = header.lastOffset === this.baseOffset + offsets.keyAt(entry);
        if (!sane) return false;
        if (header.lastOffset < offset) before = position;
        else {
          found = position;
          isBehindGap = header.baseOffset > offset;
        }
        return found === null;
      });
      if (found !== null) {
        return isBehindGap && before !== null && !(await this.#isWhole(before, found)) ? before : found;
      }
      const intact = sane && (entry < 0 || (await this.#isBatchAt(from, this.baseOffset + offsets.keyAt(entry))));
      if (intact || attempt > 0) return null;
      await this.rebuildIndexes();
    }
  }

  /** Whether the batch there matches its checksum. */
  async #isWhole(from: number, to: number): Promise<boolean> {
    const { kernel } = this.#context;
    const piece = new Uint8Array(Math.min(pieceBytes, to - from));
    let checksum = 0;
    let sum = 0;
    for (let at = from; at < to; ) {
      const length = await this.log.read(piece.subarray(0, Math.min(piece.length, to - at)), at);
      if (length === 0) return false;
      if (at === from) checksum = new BatchHeader(piece).checksum;
      sum = kernel.crc32c(piece.subarray(at === from ? attributesAt : 0, length), sum);
      at += length;
    }
    return sum === checksum;
  }

  async #isBatchAt(position: number, lastOffset: number): Promise<boolean> {
    let matches = false;
    await walkHeaders(this.log, position, this.log.sizeBytes, (header) => {
      matches = header.lastOffset === lastOffset;
      return false;
    });
    return matches;
  }

  /** Where to begin looking for the first batch whose maximum timestamp is at least `timestamp`. */
  async positionBefore(timestamp: number): Promise<number> {
    const { times } = await this.#resident();
    const entry = this.#search(times, timestamp);
    if (entry < 0) return 0;
    const offset = this.baseOffset + times.valueAt(entry);
    const position = await this.positionOf(offset);
    const believed = times.keyAt(entry);
    let sane = false;
    if (position !== null) {
      await walkHeaders(this.log, position, this.log.sizeBytes, (header) => {
        sane = header.lastOffset === offset && header.maxTimestamp === believed;
        return false;
      });
    }
    if (sane) return position as number;
    await this.rebuildIndexes();
    return 0;
  }

  #search(table: IndexTable, target: number): number {
    return table.count === 0 ? -1 : this.#context.kernel.searchIndex(table, target);
  }

  async close(): Promise<void> {
    this.#context.indexes.remove(this);
    this.#indexes = null;
    this.#closed = true;
    await this.log.close();
    await this.#closeIndexFiles();
  }

  /** Unlinks the segment's files. */
  async remove(): Promise<void> {
    await this.close();
    for (const kind of ["log", "index", "timeindex"] as const)
      await removeIfThere(this.#context.storage, this.#path(kind));
  }
}

export async function removeIfThere(storage: Storage, path: string): Promise<void> {
  try {
    await storage.remove(path);
  } catch (error) {
    if (!(error instanceof StorageError) || error.kind !== "not-found") throw error;
  }
}
