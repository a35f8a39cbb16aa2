// Walks the batch headers of a log file without holding the file in memory.
//
// Owns: reading ahead in pieces, and jumping over bodies that a header-only walk can skip.
// Never: checks a checksum (recover.ts does, where it must).

import type { StorageFile } from "../port/storage.ts";
import { BatchHeader, headerSizeBytes } from "./record-batch.ts";

/** Enough for a look-up, which begins an index interval before what it seeks; a walk that goes on reads more at once. */
const firstPieceBytes = 16 * 1024;
const pieceBytes = 256 * 1024;

/** What a visitor answers: go on, or stop the walk. */
export type Visit = (header: BatchHeader, filePosition: number) => boolean;

/**
 * Visits the header of each batch from `from` to `to` (file positions on batch boundaries).
 * Only the header's 61 bytes are sure to be in `header.bytes`. Resolves to the position where it
 * stopped: `to`, or the batch that made the visitor stop, or the first that is no batch.
 */
export async function walkHeaders(file: StorageFile, from: number, to: number, visit: Visit): Promise<number> {
  let position = from;
  let buffer = new Uint8Array(Math.max(headerSizeBytes, Math.min(firstPieceBytes, to - from)));
  while (position + headerSizeBytes <= to) {
    const remaining = to - position;
    if (position > from && buffer.length < Math.min(pieceBytes, remaining))
      buffer = new Uint8Array(Math.min(pieceBytes, remaining));
    const length = await file.read(buffer.subarray(0, Math.min(buffer.length, to - position)), position);
    if (length < headerSizeBytes) return position;
    const header = new BatchHeader(buffer.subarray(0, length));
    const start = position;
    while (position - start + headerSizeBytes <= length) {
      header.position = position - start;
      const sizeBytes = header.sizeBytes;
      if (header.magic !== 2 || sizeBytes < headerSizeBytes || position + sizeBytes > to) return position;
      if (!visit(header, position)) return position;
      position += sizeBytes;
    }
  }
  return position;
}
