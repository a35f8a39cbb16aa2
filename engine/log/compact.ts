// One pass of compaction over one log.
//
// Owns: the two walks. The first notes the latest offset of every key in the dirty part, as far as
//   the kernel's map holds keys; the second goes from the log's beginning to there, segment by
//   segment, and writes down what is still the latest of its key. Segments of which everything
//   stays are not written at all; small ones are put together, up to segment.bytes.
// Never: decides when (broker/compaction.ts) or whether (compaction-plan.ts), or keeps a thread busy
//   for long: it asks for its turn after every limits.compactionSliceBytes.
//
// Invariants: offsets and order stay. Segments are replaced oldest first, each durably before the
//   next: a key's older value is gone before its tombstone may count its time. The last batch of
//   each producer stays, if need be without records, so that the log alone still knows its
//   sequence (KAFKA-5490, KAFKA-8335); so does the last batch of a run of segments, so that no
//   offset is missing between two of them. What is damaged or cannot be opened ends the pass with
//   nothing of its segments touched.

import { MoldauError } from "../errors.ts";
import { field, type OffsetMap, recordStride } from "../kernel/kernel.ts";
import { compactionSliceBytes, compactionSliceMs } from "../limits.ts";
import { StorageError } from "../port/storage.ts";
import type { Decompressor } from "../port/world.ts";
import { BatchCursor, batchBytes } from "./batch-cursor.ts";
import { emptyBatch, type Sieved, sieveBatch } from "./batch-sieve.ts";
import { CleanedSegments } from "./cleaned-segments.ts";
import type { CompactionPlan } from "./compaction-plan.ts";
import type { Log } from "./log.ts";
import type { BatchHeader } from "./record-batch.ts";
import { checkBatch, openBatch } from "./records.ts";
import type { Segment } from "./segment.ts";
import { commitSwap, completeSwap, withdrawSwap } from "./segment-swap.ts";

/** The log changed under the pass, or its broker stops: what was replaced is replaced, the rest is left. */
export class CompactionStoppedError extends Error {}

/** A step behind the point from which a swap counts failed: nobody knows what the disk has. */
export class InterruptedSwapError extends Error {}

/** What is counted as it happens. */
export interface CompactionCounts {
  bytesRead: number;
  bytesWritten: number;
  recordsRemoved: number;
}

export interface CompactionOptions {
  readonly plan: CompactionPlan;
  /** 16 bytes of chance. */
  readonly secret: Uint8Array;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  readonly decompressor: Decompressor | undefined;
  readonly counts: CompactionCounts;
  /** Resolves when the pass may go on; rejects with CompactionStoppedError when it may not. */
  turn(): Promise<void>;
  /** Runs what may overlap neither a flush nor a removal of segments. */
  exclusively(work: () => Promise<void>): Promise<void>;
}

export interface Compacted {
  /** No key has an older record than its latest below this offset. */
  readonly cleanedTo: number;
  /** When the last tombstone may go that only waits for its time; -1 when there is none. Milliseconds. */
  readonly horizonMs: number;
  /** Segments taken out, and put in. */
  readonly segmentsBefore: number;
  readonly segmentsAfter: number;
}

/** Compacts what the plan says, or as much of it as there is room for keys. null while another pass has the kernel's map. */
export async function compactLog(log: Log, options: CompactionOptions): Promise<Compacted | null> {
  const map = log.context.kernel.openOffsetMap(options.secret, options.plan.firstDirtyOffset);
  if (map === null) return null;
  try {
    return await new Pass(log, options, map).run();
  } finally {
    map.close();
  }
}

class Pass {
  readonly #log: Log;
  readonly #options: CompactionOptions;
  readonly #map: OffsetMap;
  readonly #segments: readonly Segment[];
  #mappedTo: number;
  #lastOffsets: ReadonlyMap<number, number> = new Map();
  #horizonMs = -1;
  #segmentsBefore = 0;
  #segmentsAfter = 0;
  #sliceBytes = 0;
  #sliceBeganMs: number;

  constructor(log: Log, options: CompactionOptions, map: OffsetMap) {
    const { endOffset, firstDirtyOffset } = options.plan;
    this.#log = log;
    this.#options = options;
    this.#map = map;
    this.#segments = log.segments.filter((_, at) => (log.segments[at + 1]?.baseOffset ?? Infinity) <= endOffset);
    this.#mappedTo = firstDirtyOffset;
    this.#sliceBeganMs = log.context.clock.monotonic();
  }

  async run(): Promise<Compacted> {
    await this.#noteKeys();
    // A producer's later batch lies beyond what is compacted now, or stays as well: one more is kept.
    this.#lastOffsets = new Map(
      [...this.#log.producers.producers()].map(({ producerId, batches }) => [producerId, batches.at(-1)!.lastOffset]),
    );
    for (const run of this.#runs()) await this.#compact(run);
    return {
      cleanedTo: this.#mappedTo,
      horizonMs: this.#horizonMs,
      segmentsBefore: this.#segmentsBefore,
      segmentsAfter: this.#segmentsAfter,
    };
  }

  // ---- the keys ----------------------------------------------------------------------------

  async #noteKeys(): Promise<void> {
    for (const [at, segment] of this.#segments.entries()) {
      const nextOffset = this.#segments[at + 1]?.baseOffset ?? this.#options.plan.endOffset;
      if (nextOffset <= this.#mappedTo) continue;
      const from = segment.baseOffset < this.#mappedTo ? await this.#positionOf(segment, this.#mappedTo) : 0;
      const cursor = new BatchCursor(segment.log, from, segment.sizeBytes);
      for (
        let header = await this.#next(segment, cursor);
        header !== null;
        header = await this.#next(segment, cursor)
      ) {
        if (!this.#noteBatch(header)) return;
        await this.#worked(header.sizeBytes);
      }
      this.#mappedTo = nextOffset;
    }
  }

  async #positionOf(segment: Segment, offset: number): Promise<number> {
    return this.#reading(segment, async () => (await segment.positionOf(offset)) ?? segment.sizeBytes);
  }

  /** False when the map is full: it ends with the record before. */
  #noteBatch(header: BatchHeader): boolean {
    const { baseOffset, lastOffset } = header;
    if (header.isControl || header.isTransactional) checkBatch(header, this.#log.context.kernel);
    else {
      const { payload, index } = openBatch(header, this.#opening);
      const taken = this.#map.note(payload, index, baseOffset);
      if (taken < index.count) {
        this.#mappedTo = baseOffset + (index.fields[taken * recordStride + field.offsetDelta] as number);
        return false;
      }
    }
    this.#mappedTo = lastOffset + 1;
    return true;
  }

  get #opening(): Pick<Parameters<typeof openBatch>[1], "kernel" | "decompressor"> {
    return { kernel: this.#log.context.kernel, decompressor: this.#options.decompressor };
  }

  // ---- what stays --------------------------------------------------------------------------

  /** Segments that become one, up to the last that the map reaches into. */
  #runs(): Segment[][] {
    const { segmentBytes } = this.#log.context.config;
    const runs: Segment[][] = [];
    let sizeBytes = 0;
    for (const [at, segment] of this.#segments.entries()) {
      if (segment.baseOffset >= this.#mappedTo) break;
      const run = runs[runs.length - 1];
      const nextOffset = this.#segments[at + 1]?.baseOffset ?? this.#options.plan.endOffset;
      const fits =
        run !== undefined &&
        sizeBytes + segment.sizeBytes <= segmentBytes &&
        nextOffset - (run[0] as Segment).baseOffset <= 0x7fffffff;
      if (fits) run.push(segment);
      else runs.push([segment]);
      sizeBytes = fits ? sizeBytes + segment.sizeBytes : segment.sizeBytes;
    }
    return runs;
  }

  async #compact(run: readonly Segment[]): Promise<void> {
    const [first] = run as [Segment];
    const last = run[run.length - 1] as Segment;
    const cleaned = new CleanedSegments(this.#log.context, first.baseOffset, last.createdMs);
    // One segment by itself is written only from where something of it goes.
    let isWritten = run.length > 1;
    let removed = 0;
    let horizonMs = -1;
    try {
      for (const segment of run) {
        const { sizeBytes } = segment;
        const cursor = new BatchCursor(segment.log, 0, sizeBytes);
        for (
          let header = await this.#next(segment, cursor);
          header !== null;
          header = await this.#next(segment, cursor)
        ) {
          const isEnd = segment === last && cursor.nextPosition === sizeBytes;
          const batchSizeBytes = header.sizeBytes;
          const sieved = this.#sieve(header, isEnd);
          removed += sieved.removed;
          horizonMs = Math.max(horizonMs, sieved.horizonMs);
          if (!isWritten && sieved.outcome !== "whole") {
            isWritten = true;
            await this.#copy(segment, cursor.position, cleaned);
          }
          if (isWritten) {
            const pieces = sieved.outcome === "whole" ? [batchBytes(header)] : sieved.pieces;
            for (const piece of pieces) await cleaned.append(piece);
          }
          await this.#worked(batchSizeBytes);
        }
      }
      if (isWritten) await this.#replace(run, await cleaned.finish());
    } catch (error) {
      if (!(error instanceof InterruptedSwapError)) await cleaned.discard();
      throw error;
    } finally {
      this.#options.counts.bytesWritten += cleaned.writtenBytes;
    }
    this.#options.counts.recordsRemoved += removed;
    if (horizonMs >= this.#options.nowMs) this.#horizonMs = Math.max(this.#horizonMs, horizonMs);
  }

  #sieve(header: BatchHeader, isEnd: boolean): Sieved {
    const { kernel } = this.#log.context;
    const { nowMs, deleteRetentionMs } = this.#options;
    const rest = { map: this.#map, mappedTo: this.#mappedTo, nowMs, deleteRetentionMs };
    const sieved = sieveBatch(header, { ...this.#opening, ...rest });
    if (sieved.outcome !== "none") return sieved;
    const isLastOfProducer = header.producerId >= 0 && this.#lastOffsets.get(header.producerId) === header.lastOffset;
    if (!isEnd && !isLastOfProducer) return sieved;
    if (header.recordCount === 0) return { ...sieved, outcome: "whole" };
    return { ...sieved, outcome: "part", pieces: [emptyBatch(header, kernel)] };
  }

  /** What stays of a segment's beginning, unjudged: it was judged when it went by. */
  async #copy(segment: Segment, to: number, cleaned: CleanedSegments): Promise<void> {
    const cursor = new BatchCursor(segment.log, 0, to);
    for (let header = await this.#next(segment, cursor); header !== null; header = await this.#next(segment, cursor)) {
      await cleaned.append(batchBytes(header));
      await this.#worked(header.sizeBytes);
    }
  }

  async #replace(run: readonly Segment[], fresh: readonly Segment[]): Promise<void> {
    const log = this.#log;
    const { storage, folder } = log.context;
    await this.#options.turn();
    await this.#options.exclusively(async () => {
      if (!log.holds(run)) throw new CompactionStoppedError("its segments were deleted meanwhile");
      await log.allowGapsBelow(this.#options.plan.endOffset);
      // Those that an earlier pass replaced are kept by the names that are needed now.
      await log.removeRetired((base) => run.some(({ baseOffset }) => baseOffset === base));
      try {
        await commitSwap(storage, folder, fresh);
      } catch (error) {
        await certainly(() => withdrawSwap(storage, folder, fresh));
        throw error;
      }
      await certainly(async () => {
        await log.replace(run, fresh);
        await completeSwap(storage, folder, run, fresh);
      });
      for (const segment of fresh) segment.indexesSaved();
    });
    this.#segmentsBefore += run.length;
    this.#segmentsAfter += fresh.length;
  }

  // ---- slices ------------------------------------------------------------------------------

  async #next(segment: Segment, cursor: BatchCursor): Promise<BatchHeader | null> {
    return this.#reading(segment, () => cursor.next());
  }

  /** A segment that retention takes from under the pass ends it, and is no fault of the disk. */
  async #reading<Result>(segment: Segment, read: () => Promise<Result>): Promise<Result> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof StorageError && !this.#log.segments.includes(segment)) {
        throw new CompactionStoppedError("its segments were deleted meanwhile");
      }
      throw error;
    }
  }

  async #worked(sizeBytes: number): Promise<void> {
    this.#options.counts.bytesRead += sizeBytes;
    this.#sliceBytes += sizeBytes;
    const { clock } = this.#log.context;
    if (this.#sliceBytes < compactionSliceBytes && clock.monotonic() - this.#sliceBeganMs < compactionSliceMs) return;
    await this.#options.turn();
    this.#sliceBytes = 0;
    this.#sliceBeganMs = clock.monotonic();
  }
}

/** What the disk has is known only when this succeeds. */
async function certainly(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InterruptedSwapError(`compaction could not exchange segments: ${reason}`, { cause: error });
  }
}

/** Whether a pass ended over what the log holds: it would end there again. */
export function isUncleanable(error: unknown): boolean {
  const codes = ["CORRUPT_MESSAGE", "UNSUPPORTED_COMPRESSION_TYPE", "MESSAGE_TOO_LARGE"];
  return error instanceof MoldauError && codes.includes(error.code);
}
