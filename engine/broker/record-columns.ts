// Records as they are given to produce, written into the columns of the kernel: text becomes
// bytes where it is encoded from, and a record costs no object on its way.
//
// Owns: how many records go into one batch, and what they take in it at most.
// Never: encodes, or appends.
//
// Invariants: a record that does not fit leaves nothing behind that counts. The columns are the
//   kernel's, so that a batch is filled and encoded in one synchronous step.

import { MoldauError } from "../errors.ts";
import type { BatchColumns, Kernel } from "../kernel/kernel.ts";
import { maxRunBytes } from "../limits.ts";
import { headerSizeBytes } from "../log/record-batch.ts";
import type { RecordInput } from "./types.ts";
import { writeUtf8 } from "./utf8.ts";

/** Of a record without its pieces: length, attributes, two deltas, two lengths, header count. At most. */
const recordOverheadBytes = 32;
/** The two lengths of a header. */
const headerOverheadBytes = 10;
/** Below this a loop copies faster than `set`. Bytes. */
const shortPieceBytes = 24;

export interface BatchBounds {
  /** Records are divided into batches of this size, when they are more than one record. Bytes. */
  readonly maxBytes: number;
  /** All of them or none: the append must be one batch. */
  readonly single: boolean;
}

export class RecordColumns {
  readonly #kernel: Kernel;
  #position = 0;
  #column = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * Fills the columns with the records at `places` (null: all, in order) from `from` on, as many as
   * make one batch, and says how many these are. Throws MESSAGE_TOO_LARGE for a record that no batch holds.
   */
  fill(
    records: readonly RecordInput[],
    places: readonly number[] | null,
    from: number,
    now: number,
    { maxBytes, single }: BatchBounds,
  ): number {
    const columns = this.#kernel.columns();
    const { timestamps } = columns;
    const end = places === null ? records.length : places.length;
    let sizeBytes = headerSizeBytes;
    this.#position = 0;
    this.#column = 0;
    for (let at = from; at < end; at += 1) {
      const place = places === null ? at : places[at]!;
      const record = records[place]!;
      const count = at - from;
      const written = count < timestamps.length ? this.#write(record, columns) : -1;
      if (written < 0 || sizeBytes + written > maxRunBytes) {
        if (!single && count > 0) return count;
        throw new MoldauError(
          "MESSAGE_TOO_LARGE",
          `record ${place} makes a batch of over ${maxRunBytes} bytes or ${timestamps.length} records: send less at once`,
        );
      }
      if (!single && count > 0 && sizeBytes + written > maxBytes) return count;
      timestamps[count] = record.timestamp ?? now;
      sizeBytes += written;
    }
    return end - from;
  }

  /** What the record takes in a batch at most; -1 when the columns have no room for it. Bytes. */
  #write({ key, value, headers }: RecordInput, columns: BatchColumns): number {
    const { lengths } = columns;
    const headerCount = headers === undefined ? 0 : headers.length;
    if (this.#column + 3 + headerCount * 2 > lengths.length) return -1;
    const start = this.#position;
    const headerCountColumn = this.#column + 2;
    if (!this.#writePiece(key, columns) || !this.#writePiece(value, columns)) return -1;
    lengths[headerCountColumn] = headerCount;
    this.#column += 1;
    if (headers !== undefined) {
      for (let at = 0; at < headerCount; at += 1) {
        const [name, content] = headers[at]!;
        if (!this.#writePiece(name, columns) || !this.#writePiece(content, columns)) return -1;
      }
    }
    return recordOverheadBytes + headerCount * headerOverheadBytes + this.#position - start;
  }

  #writePiece(piece: Uint8Array | string | null | undefined, { bytes, lengths }: BatchColumns): boolean {
    const position = this.#position;
    if (piece === null || piece === undefined) {
      lengths[this.#column++] = -1;
      return true;
    }
    let end: number;
    if (typeof piece === "string") {
      end = writeUtf8(piece, bytes, position);
      if (end < 0) return false;
    } else {
      end = position + piece.length;
      if (end > bytes.length) return false;
      if (piece.length < shortPieceBytes)
        for (let at = 0; at < piece.length; at += 1) bytes[position + at] = piece[at]!;
      else bytes.set(piece, position);
    }
    lengths[this.#column++] = end - position;
    this.#position = end;
    return true;
  }
}
