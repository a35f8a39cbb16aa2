// The names of the files in a partition's folder.
//
// Owns: which name is what. Never: touches a file.

export type SegmentFileKind = "log" | "index" | "timeindex" | "snapshot";

const pattern = /^(\d{20})\.(log|index|timeindex|snapshot)$/;

export const epochCheckpointName = "leader-epoch-checkpoint";
export const partitionMetadataName = "partition.metadata";
/** Ours: written when a sync failed; holds the high watermark above which nothing may be believed. */
export const fenceName = "fence-checkpoint";

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
  if (parseSegmentFileName(name) !== null || name.endsWith(".tmp") || name.startsWith(".")) return true;
  return name === epochCheckpointName || name === partitionMetadataName || name === fenceName;
}
