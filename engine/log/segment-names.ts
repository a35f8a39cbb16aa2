// The names of the files in a partition's folder.
//
// Owns: which name is what. Never: touches a file.

export type SegmentFileKind = "log" | "index" | "timeindex" | "snapshot";

/**
 * Kafka's endings of what compaction has in hand: being written; whole, to take the place of others;
 * taken out, and kept for those who read it.
 */
export type SwapStage = "cleaned" | "swap" | "deleted";

const pattern = /^(\d{20})\.(log|index|timeindex|snapshot)$/;
const stagePattern = /^(\d{20})\.(log|index|timeindex)\.(cleaned|swap|deleted)$/;

export const epochCheckpointName = "leader-epoch-checkpoint";
export const partitionMetadataName = "partition.metadata";
/** Ours: written when a sync failed; holds the high watermark above which nothing may be believed. */
export const fenceName = "fence-checkpoint";

/** Ours: the offset below which compaction may have taken records, so that offsets may be missing. */
export const compactionCheckpointName = "compaction-checkpoint";

export interface StagedFile {
  readonly offset: number;
  readonly kind: Exclude<SegmentFileKind, "snapshot">;
  readonly stage: SwapStage;
}

export function parseStagedFileName(name: string): StagedFile | null {
  const match = stagePattern.exec(name);
  if (match === null) return null;
  const offset = Number(match[1]);
  if (!Number.isSafeInteger(offset)) return null;
  return { offset, kind: match[2] as StagedFile["kind"], stage: match[3] as SwapStage };
}

export function segmentFileName(baseOffset: number, kind: SegmentFileKind): string {
  return `${String(baseOffset).padStart(20, "0")}.${kind}`;
}

export function parseSegmentFileName(name: string): { readonly offset: number; readonly kind: SegmentFileKind } | null {
  const match = pattern.exec(name);
  if (match === null) return null;
  const offset = Number(match[1]);
  return Number.isSafeInteger(offset) ? { offset, kind: match[2] as SegmentFileKind } : null;
}

/** Whether a partition's folder may hold a file of this name. */
export function isPartitionFile(name: string): boolean {
  if (parseSegmentFileName(name) !== null || parseStagedFileName(name) !== null) return true;
  if (name.endsWith(".tmp") || name.startsWith(".")) return true;
  return [epochCheckpointName, partitionMetadataName, fenceName, compactionCheckpointName].includes(name);
}
