// Reads a log: whole batches by offset, and the first batch at or after a time.
//
// Owns: the way from an offset to bytes: the tail in memory, else a cursor that a reader left,
//   else the index; and what a reader is told when retention took a segment from under it.
// Never: shows anything at or above the high watermark, or changes the log.

import { MoldauError } from "../errors.ts";
import { storageError } from "./append-errors.ts";
import type { Log } from "./log.ts";
import { BatchHeader, headerSizeBytes } from "./record-batch.ts";
import { batchSizeAt, type Segment } from "./segment.ts";
import { walkHeaders } from "./walk.ts";

/** Where recent readers will go on is remembered for so many of them. */
const maxCursors = 32;

export class LogReader {
  readonly #log: Log;
  /** Next offset -> position, so that a sequential reader needs no search. */
  readonly #cursors: Map<number, { readonly segment: Segment; readonly position: number }> = new Map();

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
   * at least one batch when `atLeastOne`. The bytes are the caller's own.
   */
  async read(offset: number, maxBytes: number, atLeastOne: boolean): Promise<Uint8Array> {
    this.checkOffset(offset);
    const high = this.#log.high;
    if (offset >= high.offset) return new Uint8Array(0);
    const fromTail = this.#readTail(offset, maxBytes, high.offset, atLeastOne);
    if (fromTail !== null) return fromTail;
    const index = this.#segmentIndex(offset);
    const cursor = this.#cursors.get(offset);
    this.#cursors.delete(offset);
    for (let at = index; at < this.#log.segments.length; at += 1) {
      const segment = this.#log.segments[at] as Segment;
      const position = cursor?.segment === segment ? cursor.position : await this.#positionIn(segment, offset);
      if (position === null) continue;
      const end = segment === high.segment ? high.position : segment.sizeBytes;
      if (position >= end) return new Uint8Array(0);
      const bytes = await this.#readWhole(segment, position, end, { offset, maxBytes, atLeastOne });
      if (bytes !== null) return bytes;
      this.checkOffset(offset);
      return new Uint8Array(0);
    }
    this.checkOffset(offset);
    return new Uint8Array(0);
  }

  async #positionIn(segment: Segment, offset: number): Promise<number | null> {
    try {
      return await segment.positionOf(offset);
    } catch (error) {
      return this.#goneOrThrow(error, offset);
    }
  }

  /** Retention may take a segment from under a reader: then the offset is out of range. */
  #goneOrThrow(error: unknown, offset: number): null {
    this.checkOffset(offset);
    throw storageError(error, `cannot read ${this.#log.context.folder}`);
  }

  async #readWhole(
    segment: Segment,
    position: number,
    end: number,
    { offset, maxBytes, atLeastOne }: { offset: number; maxBytes: number; atLeastOne: boolean },
  ): Promise<Uint8Array | null> {
    try {
      let buffer = new Uint8Array(Math.min(Math.max(maxBytes, headerSizeBytes), end - position));
      let length = await segment.log.read(buffer, position);
      let whole = wholeBatches(buffer, length, maxBytes);
      if (whole.sizeBytes === 0) {
        const needed = atLeastOne ? await batchSizeAt(segment.log, position) : 0;
        if (needed === 0) return new Uint8Array(0);
        if (needed === null || position + needed > end) {
          throw new MoldauError("CORRUPT_MESSAGE", `no batch at byte ${position} of ${segment.log.path}`);
        }
        buffer = new Uint8Array(needed);
        length = await segment.log.read(buffer, position);
        whole = wholeBatches(buffer, length, needed);
      }
      this.#remember(whole.nextOffset, segment, position + whole.sizeBytes);
      return buffer.subarray(0, whole.sizeBytes);
    } catch (error) {
      if (error instanceof MoldauError) throw error;
      return this.#goneOrThrow(error, offset);
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

  #readTail(offset: number, maxBytes: number, end: number, atLeastOne: boolean): Uint8Array | null {
    const pieces: Uint8Array[] = [];
    let sizeBytes = 0;
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
      }
      if (stop > start) pieces.push(chunk.bytes.subarray(start, stop));
      sizeBytes += stop - start;
      if (stop < chunk.bytes.length || sizeBytes >= maxBytes) break;
    }
    if (!found) return null;
    const bytes = new Uint8Array(sizeBytes);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
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
    const high = this.#log.high;
    const from = Math.max(fromOffset, this.#log.logStartOffset);
    const segments = [...this.#log.segments];
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

  async #batchIn(segment: Segment, timestamp: number, fromOffset: number, end: number): Promise<Uint8Array | null> {
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
      // Retention took it meanwhile: what is sought lies further on.
      if (!this.#log.segments.includes(segment)) return null;
      throw storageError(error, `cannot read ${this.#log.context.folder}`);
    }
  }
}

function wholeBatches(bytes: Uint8Array, length: number, maxBytes: number): { sizeBytes: number; nextOffset: number } {
  const header = new BatchHeader(bytes.subarray(0, length));
  let sizeBytes = 0;
  let nextOffset = -1;
  while (header.at(sizeBytes) && sizeBytes + header.sizeBytes <= maxBytes) {
    sizeBytes += header.sizeBytes;
    nextOffset = header.lastOffset + 1;
  }
  return { sizeBytes, nextOffset };
}
