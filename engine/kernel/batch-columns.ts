// The columns that a batch is encoded from, and how record objects come into them.
//
//   bytes        key, value, (header key, header value)* of each record, back to back; null takes nothing
//   lengths      key length, value length, header count, (key length, value length)* of each record; -1 is null
//   timestamps   one a record, milliseconds
//
// Owns: the order within the columns. Never: writes a batch.

import { scratchBytes } from "../limits.ts";
import type { BatchColumns, RecordToEncode } from "./kernel.ts";

/** Below this a loop copies faster than `set`. Bytes. */
const shortPieceBytes = 24;

/** Fills the columns; false when they hold too few records or lengths. Throws RangeError over limits.scratchBytes. */
export function fillColumns(columns: BatchColumns, records: readonly RecordToEncode[]): boolean {
  const { bytes, lengths, timestamps } = columns;
  if (records.length > timestamps.length) return false;
  let position = 0;
  let column = 0;
  const fillPiece = (piece: Uint8Array | null): void => {
    if (piece === null) {
      lengths[column++] = -1;
      return;
    }
    const { length } = piece;
    if (length > bytes.length - position) throw new RangeError(`a batch is at most ${scratchBytes} bytes`);
    lengths[column++] = length;
    if (length < shortPieceBytes) for (let at = 0; at < length; at++) bytes[position + at] = piece[at]!;
    else bytes.set(piece, position);
    position += length;
  };
  for (let index = 0; index < records.length; index++) {
    const { key, value, headers, timestamp } = records[index]!;
    if (column + 3 + headers.length * 2 > lengths.length) return false;
    timestamps[index] = timestamp;
    const headerCountColumn = column + 2;
    fillPiece(key);
    fillPiece(value);
    lengths[headerCountColumn] = headers.length;
    column++;
    for (let header = 0; header < headers.length; header++) {
      const [name, content] = headers[header]!;
      fillPiece(name);
      fillPiece(content);
    }
  }
  return true;
}

/** Columns of their own for records that are too many for a kernel's. */
export function columnsFor(records: readonly RecordToEncode[]): BatchColumns {
  let bytes = 0;
  let lengths = 0;
  for (const { key, value, headers } of records) {
    lengths += 3 + headers.length * 2;
    bytes += (key?.length ?? 0) + (value?.length ?? 0);
    for (const [name, content] of headers) bytes += name.length + (content?.length ?? 0);
  }
  return {
    bytes: new Uint8Array(Math.min(bytes, scratchBytes)),
    lengths: new Int32Array(lengths),
    timestamps: new Float64Array(records.length),
  };
}
