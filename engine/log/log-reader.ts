// Reads a log: whole batches by offset, and the first batch at or after a time.
//
// Owns: the way from an offset to bytes: the tail in memory, else a cursor that a reader left,
//   else the index; and what a reader is told when retention took a segment from under it.
// Never: shows anything at or above the high watermark, or changes the log.

import { MoldauError } from "../errors.ts";
import { nearTailBytes } from "../limits.ts";
import { StorageError } from "../port/storage.ts";
import { storageError } from "./append-errors.ts";
import type { Lender, Lending } from "./lending.ts";
import type { Log } from "./log.ts";
import { BatchHeader, headerSizeBytes } from "./record-batch.ts";
import type { Segment } from "./segment.ts";
import { SegmentTimes } from "./segment-times.ts";
import { walkHeaders } from "./walk.ts";

/** Where recent readers will go on is remembered for so many of them. */
const maxCursors = 32;

/** Whole batches, in memory that is lent until `release`. */
export class ReadBatches {
  readonly bytes: Uint8Array;
  /** Where to go on after them. */
  readonly nextOffset: number;
  readonly #lending: Lending | null;

  constructor(bytes: Uint8Array, nextOffset: number, lending: Lending | null) {
    this.bytes = bytes;
    this.nextOffset = nextOffset;
    this.#lending = lending;
  }

  release(): void {
    this.#lending?.release();
  }
}

export class LogReader {
  readonly #log: Log;
  /** Next offset -> position, so that a sequential reader needs no search. */
  readonly #cursors: Map<number, { readonly segment: Segment; readonly position: number }> = new Map();
  readonly #times: SegmentTimes = new SegmentTimes();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Throws OFFSET_OUT_OF_RANGE for an offset that is gone, or beyond the log's end. */
  checkOffset(offset: number): void {
    if (offset >= this.#log.logStartOffset && offset <= this.#log.logEndOffset) return;
    throw new MoldauError(
      "OFFSET_OUT_OF_RANGE",
      `offset ${offset} is not in the log: it begins at ${this.#log.logStartOffset}, and the next record gets ${this.#log.logEndOffset}`,
    );
  }

  /**
   * Whole batches from the one that holds `offset`, up to the high watermark and about `maxBytes`;
   * at least one batch when `atLeastOne`. They lie in what `lender` lends; none when it has no room.
   */
  async read(offset: number, maxBytes: number, atLeastOne: boolean, lender: Lender): Promise<ReadBatches> {
    this.checkOffset(offset);
    const { tail: cached } = this.#log.context;
    if (offset >= this.#log.highWatermark) {
      cached.want();
      return nothing(offset);
    }
    const tail = this.#planTail(offset, maxBytes, atLeastOne);
    if (tail === null) return this.#readFiles(offset, maxBytes, atLeastOne, lender, null);
    cached.want();
    if (tail.sizeBytes === 0) return nothing(offset);
    let lending = lender.lend(tail.sizeBytes);
    if (lending === null) return nothing(offset);
    if (!(lending instanceof Promise)) return copyTail(tail, lending);
    lending = await lending;
    // While it waited, the tail may have grown or gone.
    const now = this.#planTail(offset, lending.bytes.length, atLeastOne);
    if (now === null) return this.#readFiles(offset, lending.bytes.length, atLeastOne, lender, lending);
    return copyTail(now, lending);
  }

  /** `inHand`: what was lent already, to be used or released here. */
  async #readFiles(
    offset: number,
    maxBytes: number,
    atLeastOne: boolean,
    lender: Lender,
    inHand: Lending | null,
  ): Promise<ReadBatches> {
    let lending = inHand;
    let reading: Segment | null = null;
    try {
      const { segment, position, end } = await this.#place(offset);
      reading = segment;
      let sizeBytes = Math.min(Math.max(maxBytes, headerSizeBytes), end - position);
      for (;;) {
        if (lending === null || lending.bytes.length < sizeBytes) {
          lending?.release();
          lending = await lender.lend(sizeBytes);
          if (lending === null) return nothing(offset);
        } else lending.keep(sizeBytes);
        const length = await segment.log.read(lending.bytes, position);
        const whole = wholeBatches(lending.bytes, length, offset, this.#log.gapsBelow);
        if (whole.sizeBytes > 0) {
          this.#remember(whole.nextOffset, segment, position + whole.sizeBytes);
          const isNear = segment === this.#log.active && segment.sizeBytes - position < nearTailBytes;
          if (isNear) this.#log.context.tail.want();
          lending.keep(whole.sizeBytes);
          return new ReadBatches(lending.bytes, whole.nextOffset, lending);
        }
        if (whole.strayOffset !== null) {
          throw new MoldauError(
            "CORRUPT_MESSAGE",
            `${segment.log.path}: at byte ${position}, where offset ${offset} belongs, lies a batch of offset ${whole.strayOffset}`,
          );
        }
        if (!atLeastOne) break;
        const needed = whole.neededBytes;
        if (needed <= sizeBytes || position + needed > end) {
          throw new MoldauError("CORRUPT_MESSAGE", `no batch at byte ${position} of ${segment.log.path}`);
        }
        sizeBytes = needed;
      }
    } catch (error) {
      lending?.release();
      if (error instanceof MoldauError) throw error;
      // Retention may take a segment from under a reader: then the offset is out of range.
      this.checkOffset(offset);
      // Compaction has put another one in its place.
      if (error instanceof StorageError && reading !== null && !this.#log.segments.includes(reading)) {
        return this.#readFiles(offset, maxBytes, atLeastOne, lender, null);
      }
      throw error instanceof StorageError ? storageError(error, `cannot read ${this.#log.context.folder}`) : error;
    }
    lending?.release();
    this.checkOffset(offset);
    return nothing(offset);
  }

  /** Where the batch that holds `offset`, below the high watermark, begins, and how far its file may be read. */
  async #place(offset: number): Promise<Place> {
    for (;;) {
      const oldest = this.#log.segments[0];
      const place = await this.#find(offset);
      if (place !== null) return place;
      this.checkOffset(offset);
      // Retention takes segments at the front: it may have taken this one meanwhile.
      if (oldest === this.#log.segments[0]) {
        throw new MoldauError(
          "CORRUPT_MESSAGE",
          `${this.#log.context.folder}: no batch holds offset ${offset}, though the log reaches ${this.#log.highWatermark}`,
        );
      }
    }
  }

  async #find(offset: number): Promise<Place | null> {
    const { high, segments } = this.#log;
    const cursor = this.#cursors.get(offset);
    this.#cursors.delete(offset);
    // It is in this one or nowhere: segments lie end to end, in a compacted log too. What lies behind a batch that says
    // it ends before its end is no gap.
    const segment = segments[this.#segmentIndex(offset)] as Segment;
    const position = cursor?.segment === segment ? cursor.position : await this.#positionIn(segment, offset);
    if (position === "replaced") return this.#find(offset);
    if (position === null) return null;
    const end = segment === high.segment ? high.position : segment.sizeBytes;
    return position < end ? { segment, position, end } : null;
  }

  async #positionIn(segment: Segment, offset: number): Promise<number | null | "replaced"> {
    try {
      return await segment.positionOf(offset);
    } catch (error) {
      if (error instanceof StorageError && !this.#log.segments.includes(segment) && offset >= this.#log.logStartOffset)
        return "replaced";
      throw error;
    }
  }

  #remember(nextOffset: number, segment: Segment, position: number): void {
    if (this.#cursors.size >= maxCursors) {
      for (const oldest of this.#cursors.keys()) {
        this.#cursors.delete(oldest);
        break;
      }
    }
    this.#cursors.set(nextOffset, { segment, position });
  }

  /** What of the tail a read would get; null when it has to go to the files. */
  #planTail(offset: number, maxBytes: number, atLeastOne: boolean): TailPlan | null {
    const end = this.#log.highWatermark;
    const pieces: Uint8Array[] = [];
    let sizeBytes = 0;
    let nextOffset = offset;
    let found = false;
    for (const chunk of this.#log.context.tail.from(offset, end)) {
      found = true;
      const header = new BatchHeader(chunk.bytes);
      let start = 0;
      while (pieces.length === 0 && header.at(start) && header.lastOffset < offset) start += header.sizeBytes;
      let stop = start;
      while (header.at(stop) && header.lastOffset < end) {
        const over = sizeBytes + (stop - start) + header.sizeBytes > maxBytes;
        if (over && !(atLeastOne && sizeBytes === 0 && stop === start)) break;
        stop += header.sizeBytes;
        nextOffset = header.lastOffset + 1;
      }
      if (stop > start) pieces.push(chunk.bytes.subarray(start, stop));
      sizeBytes += stop - start;
      if (stop < chunk.bytes.length || sizeBytes >= maxBytes) break;
    }
    return found ? { pieces, sizeBytes, nextOffset } : null;
  }

  /** The segment that holds `offset`: the last whose base is not above it. */
  #segmentIndex(offset: number): number {
    let low = 0;
    let high = this.#log.segments.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#log.segments[middle] as Segment).baseOffset <= offset) low = middle;
      else high = middle;
    }
    return low;
  }

  /**
   * The bytes of the first batch whose maximum timestamp is at least `timestamp`, of those that end
   * at or after `fromOffset` and lie below the high watermark; null when there is none.
   */
  async batchAtOrAfter(timestamp: number, fromOffset: number): Promise<Uint8Array | null> {
    for (;;) {
      const found = await this.#lookForTime(timestamp, fromOffset);
      if (found !== "replaced") return found;
    }
  }

  async #lookForTime(timestamp: number, fromOffset: number): Promise<Uint8Array | null | "replaced"> {
    const high = this.#log.high;
    const from = Math.max(fromOffset, this.#log.logStartOffset);
    const { changes } = this.#log.context.segmentContext.indexes;
    const segments = this.#log.segments.slice(this.#times.firstReaching(timestamp, this.#log.segments, changes));
    for (const [at, segment] of segments.entries()) {
      if (segment.baseOffset >= high.offset) return null;
      const next = segments[at + 1]?.baseOffset ?? Number.POSITIVE_INFINITY;
      if (next > from && segment.maxTimestamp >= timestamp) {
        const bytes = await this.#batchIn(
          segment,
          timestamp,
          from,
          segment === high.segment ? high.position : segment.sizeBytes,
        );
        if (bytes !== null) return bytes;
      }
      if (segment === high.segment) return null;
    }
    return null;
  }

  /** The greatest that a batch between the log start offset and the high watermark says; -1 when none says any. */
  async maxTimestamp(): Promise<number> {
    const { high, segments, logStartOffset } = this.#log;
    let greatest = -1;
    const inPart: Segment[] = [];
    for (const segment of segments) {
      const { maxTimestamp, offsetOfMaxTimestamp } = segment;
      const isReadable = offsetOfMaxTimestamp >= logStartOffset && offsetOfMaxTimestamp < high.offset;
      if (isReadable) greatest = Math.max(greatest, maxTimestamp);
      else if (segment.baseOffset < high.offset) inPart.push(segment);
      if (segment === high.segment) break;
    }
    // Its greatest is deleted, or not synced yet: the next one is in no index.
    for (const segment of inPart) {
      if (segment.maxTimestamp <= greatest) continue;
      const end = segment === high.segment ? high.position : segment.sizeBytes;
      try {
        await walkHeaders(segment.log, 0, end, (header) => {
          if (header.lastOffset >= logStartOffset) greatest = Math.max(greatest, header.maxTimestamp);
          return true;
        });
      } catch (error) {
        // Retention or compaction took it meanwhile: what there is now is looked at anew.
        if (!this.#log.segments.includes(segment)) return this.maxTimestamp();
        throw storageError(error, `cannot read ${this.#log.context.folder}`);
      }
    }
    return greatest;
  }

  async #batchIn(
    segment: Segment,
    timestamp: number,
    fromOffset: number,
    end: number,
  ): Promise<Uint8Array | null | "replaced"> {
    let found: { readonly position: number; readonly sizeBytes: number } | null = null;
    try {
      await walkHeaders(segment.log, await segment.positionBefore(timestamp), end, (header, position) => {
        if (header.maxTimestamp < timestamp || header.lastOffset < fromOffset) return true;
        found = { position, sizeBytes: header.sizeBytes };
        return false;
      });
      if (found === null) return null;
      const { position, sizeBytes } = found as { position: number; sizeBytes: number };
      const bytes = new Uint8Array(sizeBytes);
      await segment.log.read(bytes, position);
      return bytes;
    } catch (error) {
      // Retention took it meanwhile: what is sought lies further on. Or compaction replaced it.
      const { segments } = this.#log;
      if (!segments.includes(segment))
        return segment.baseOffset < (segments[0] as Segment).baseOffset ? null : "replaced";
      throw storageError(error, `cannot read ${this.#log.context.folder}`);
    }
  }
}

interface Place {
  readonly segment: Segment;
  readonly position: number;
  readonly end: number;
}

interface WholeBatches {
  readonly sizeBytes: number;
  readonly nextOffset: number;
  /** What the batch behind them takes, by its header; 0 when there is none. */
  readonly neededBytes: number;
  /** The base offset of the first batch, when it does not hold the offset that was asked for. */
  readonly strayOffset: number | null;
}

/**
 * The whole batches from the one that holds `offset`, each beginning where the one before it ends:
 * a base offset lies outside the checksum, and nothing is left out of a log where it is not compacted.
 */
function wholeBatches(bytes: Uint8Array, length: number, offset: number, gapsBelow: number): WholeBatches {
  const header = new BatchHeader(bytes.subarray(0, length));
  let sizeBytes = 0;
  let nextOffset = -1;
  while (header.at(sizeBytes)) {
    const { baseOffset, lastOffset } = header;
    const isBehindGap = baseOffset > (sizeBytes > 0 ? nextOffset : offset) && baseOffset <= gapsBelow;
    if (sizeBytes > 0 && baseOffset !== nextOffset && !isBehindGap) break;
    if (sizeBytes === 0 && ((baseOffset > offset && !isBehindGap) || lastOffset < offset)) {
      return { sizeBytes, nextOffset, neededBytes: 0, strayOffset: baseOffset };
    }
    sizeBytes += header.sizeBytes;
    nextOffset = lastOffset + 1;
  }
  header.position = sizeBytes;
  const isHeader = sizeBytes + headerSizeBytes <= length && header.magic === 2;
  return { sizeBytes, nextOffset, neededBytes: isHeader ? header.sizeBytes : 0, strayOffset: null };
}

interface TailPlan {
  /** Of the tail: good until the next append. */
  readonly pieces: readonly Uint8Array[];
  readonly sizeBytes: number;
  readonly nextOffset: number;
}

function copyTail({ pieces, sizeBytes, nextOffset }: TailPlan, lending: Lending): ReadBatches {
  lending.keep(sizeBytes);
  const { bytes } = lending;
  let position = 0;
  for (const piece of pieces) {
    bytes.set(piece, position);
    position += piece.length;
  }
  return new ReadBatches(bytes, nextOffset, lending);
}

const noBytes = new Uint8Array(0);

function nothing(offset: number): ReadBatches {
  return new ReadBatches(noBytes, offset, null);
}
