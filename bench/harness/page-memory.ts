// Memory for the system's page cache, before something is measured that writes.
//
// A virtual machine may get its memory from its host only when it is first touched, and give it back
// soon after it was freed: 64 KiB written to the page cache cost 20 µs where the memory is there and
// 120 µs where it is not. Who happens to write into which is chance, and no one's merit.
//
// Owns: that it is there, for some seconds. Never: keeps any.

import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

const pieceBytes = 1 << 20;

/** Writes so much to a file in the folder, without a sync, and removes it. */
export function touchPageMemory(folder: string, sizeBytes: number): void {
  const path = join(folder, "touched");
  const piece = new Uint8Array(pieceBytes);
  const descriptor = openSync(path, "wx");
  try {
    for (let written = 0; written < sizeBytes; ) written += writeSync(descriptor, piece);
  } finally {
    closeSync(descriptor);
    unlinkSync(path);
  }
}
