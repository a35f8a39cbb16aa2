// Writes the segments that are to replace others: their .cleaned files.
//
// Owns: the files and their indexes until a swap takes them, and where one ends and another begins:
//   by the bounds that the topic's configs set, because a batch written without its compression
//   may take many times its room.
// Never: decides what is written (compact.ts), or gives a file another name (segment-swap.ts).
//
// Invariants: what is written is synced every limits.syncBytes, so that no sync at the end holds up
//   everybody's; segments leave no offset between them.

import { syncBytes } from "../limits.ts";
import type { StorageFile } from "../port/storage.ts";
import type { LogContext } from "./log.ts";
import { BatchHeader } from "./record-batch.ts";
import { removeIfThere, Segment } from "./segment.ts";
import { stagedPath } from "./segment-swap.ts";

/** A store writes so much at once. Bytes. */
const writeBytes = 256 * 1024;
const kinds = ["log", "index", "timeindex"] as const;

export class CleanedSegments {
  readonly segments: Segment[] = [];
  writtenBytes = 0;
  readonly #context: LogContext;
  readonly #createdMs: number;
  #nextOffset: number;
  #waiting: Uint8Array = new Uint8Array(writeBytes);
  #waitingBytes = 0;
  #unsyncedBytes = 0;
  /** Of the last segment, what waits included. */
  #sizeBytes = 0;

  /** `createdMs` is what the segments' records without a time go by. */
  constructor(context: LogContext, baseOffset: number, createdMs: number) {
    this.#context = context;
    this.#nextOffset = baseOffset;
    this.#createdMs = createdMs;
  }

  /** Takes a whole batch. */
  async append(bytes: Uint8Array): Promise<void> {
    const header = new BatchHeader(bytes);
    if (this.segments.length === 0 || this.#mustEnd(header)) await this.#begin();
    (this.segments[this.segments.length - 1] as Segment).noteBatch(header, this.#sizeBytes);
    this.#sizeBytes += bytes.length;
    this.#nextOffset = header.lastOffset + 1;
    if (this.#waitingBytes + bytes.length > writeBytes) this.#write();
    if (bytes.length > writeBytes) this.#append(bytes);
    else {
      this.#waiting.set(bytes, this.#waitingBytes);
      this.#waitingBytes += bytes.length;
    }
    if (this.#unsyncedBytes >= syncBytes) await this.#sync();
  }

  get #file(): StorageFile {
    return (this.segments[this.segments.length - 1] as Segment).log;
  }

  #mustEnd(header: BatchHeader): boolean {
    const { segmentBytes, segmentIndexBytes } = this.#context.config;
    const segment = this.segments[this.segments.length - 1] as Segment;
    if (this.#sizeBytes === 0) return false;
    if (this.#sizeBytes + header.sizeBytes > segmentBytes) return true;
    if (segment.indexSizeBytes + 12 > segmentIndexBytes) return true;
    return header.lastOffset - segment.baseOffset > 0x7fffffff;
  }

  async #begin(): Promise<void> {
    await this.#end();
    const { storage, folder, segmentContext } = this.#context;
    const path = stagedPath(folder, this.#nextOffset, "log", "cleaned");
    await removeIfThere(storage, path);
    const file = storage.create(path);
    const segment = new Segment(segmentContext, this.#nextOffset, file, this.#createdMs);
    segment.resetIndexes();
    this.segments.push(segment);
    this.#sizeBytes = 0;
  }

  #write(): void {
    if (this.#waitingBytes === 0) return;
    this.#append(this.#waiting.subarray(0, this.#waitingBytes));
    this.#waitingBytes = 0;
  }

  #append(bytes: Uint8Array): void {
    this.#file.append(bytes);
    this.#unsyncedBytes += bytes.length;
    this.writtenBytes += bytes.length;
  }

  async #sync(): Promise<void> {
    this.#unsyncedBytes = 0;
    await this.#context.storage.sync([this.#file]);
  }

  async #end(): Promise<void> {
    if (this.segments.length === 0) return;
    this.#write();
    const segment = this.segments[this.segments.length - 1] as Segment;
    segment.deactivate();
    const { storage, folder } = this.#context;
    const files: StorageFile[] = [];
    try {
      for (const [kind, bytes] of segment.indexContents()) {
        const path = stagedPath(folder, segment.baseOffset, kind, "cleaned");
        await removeIfThere(storage, path);
        const file = storage.create(path);
        files.push(file);
        file.append(bytes);
      }
      this.#unsyncedBytes = 0;
      await storage.sync([segment.log, ...files]);
    } finally {
      for (const file of files) await file.close();
    }
  }

  /** Everything is synced when it resolves. */
  async finish(): Promise<readonly Segment[]> {
    await this.#end();
    return this.segments;
  }

  /** Nobody wants them: best effort, a start removes what is left. */
  async discard(): Promise<void> {
    const { storage, folder } = this.#context;
    for (const segment of this.segments) {
      await segment.close();
      for (const kind of kinds) {
        await removeIfThere(storage, stagedPath(folder, segment.baseOffset, kind, "cleaned")).catch(() => {});
      }
    }
  }
}
