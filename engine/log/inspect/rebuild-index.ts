// Makes a segment's two index files anew from its .log, offline.
//
// Owns: the decision that this is safe: only from a .log that ends on a batch boundary.
// Never: touches the .log; leaves half an index (each file is replaced whole, and synced).

import type { Kernel } from "../../kernel/kernel.ts";
import type { Storage } from "../../port/storage.ts";
import { IndexResidency, Segment } from "../segment.ts";
import { segmentFileName } from "../segment-names.ts";
import { walkHeaders } from "../walk.ts";

export interface RebuildOptions {
  readonly storage: Storage;
  readonly kernel: Kernel;
  readonly folder: string;
  readonly baseOffset: number;
  readonly indexIntervalBytes: number;
}

/** Resolves to null when both files were written, else to why they were not. */
export async function rebuildIndex(options: RebuildOptions): Promise<string | null> {
  const { storage, kernel, folder, baseOffset, indexIntervalBytes } = options;
  const file = await storage.open(`${folder}/${segmentFileName(baseOffset, "log")}`);
  const context = {
    ...{ storage, kernel, folder },
    indexes: new IndexResidency(0),
    rebuilt: () => {},
    indexIntervalBytes: () => indexIntervalBytes,
  };
  const segment = new Segment(context, baseOffset, file, 0);
  try {
    const end = await walkHeaders(file, 0, file.sizeBytes, () => true);
    if (end !== file.sizeBytes) return `no whole batch begins at byte ${end} of ${file.sizeBytes} of its .log`;
    segment.resetIndexes();
    segment.deactivate();
    await segment.rebuildIndexes();
    return null;
  } finally {
    await segment.close();
  }
}
